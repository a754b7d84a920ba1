using Marionette.Sessions;
using Npgsql;
using NpgsqlTypes;

namespace Marionette.Log;

/// <summary>
/// The one statement behind every append. <c>session_head</c> is the fence: a batch counts only if the head stands right before it, and the
/// row lock makes two writers of one session take turns. Whoever comes second finds another head and inserts nothing, not even the
/// tail of a longer batch, which <c>on conflict do nothing</c> on the events alone would let through.
/// </summary>
internal static class AppendStatement
{
    private const string Fence = """
        with batch as (
            select * from unnest(@session::text[], @tenant::text[], @first::bigint[], @last::bigint[])
                with ordinality as b(session, tenant, first, last, ord)),
        created as (
            insert into session_head (session, tenant, head)
            select session, tenant, last from batch where first = 1
            on conflict do nothing returning session),
        moved as (
            update session_head h set head = b.last
            from batch b where b.first > 1 and h.session = b.session and h.head = b.first - 1
            returning h.session),
        won as materialized (
            select b.* from batch b where b.session in (select session from created union all select session from moved)),
        event as materialized (
            select w.tenant, w.session, w.first + e.n as seq, e.type, e.task, e.run, e.source, e.at, e.payload, e.shared
            from unnest(@e_ord::bigint[], @e_n::int[], @e_type::text[], @e_task::text[], @e_run::text[], @e_source::bigint[],
                        @e_at::timestamptz[], @e_payload::bytea[], @e_shared::boolean[])
                as e(ord, n, type, task, run, source, at, payload, shared)
            join won w on w.ord = e.ord),
        """;

    private const string Stored = """

        stored as (
            insert into session_event (tenant, session, seq, type, task, run, source, at, payload)
            select tenant, session, seq, type, task, run, source, at, payload from event),
        """;

    private const string Rows = """

        told as (
            insert into tenant_event (tenant, session, seq, type, task, at, payload)
            select tenant, session, seq, type, task, at, payload from event where shared order by session, seq),
        rows as (
            insert into grain_state (grain_type, grain_key, version, state)
            select r.type, r.key, 1, convert_from(r.state, 'UTF8')::jsonb
            from unnest(@r_ord::bigint[], @r_type::text[], @r_key::text[], @r_state::bytea[]) as r(ord, type, key, state)
            join won w on w.ord = r.ord
            on conflict (grain_type, grain_key) do update
            set state = excluded.state, version = grain_state.version + 1, modified_at = now())
        """;

    private const string Whole = Fence + Stored + Rows + "\nselect ord from won";

    /// <summary>
    /// The events follow by COPY in the same transaction. Should this process freeze or lose its network in between, the session's next activation must
    /// not wait long for the row lock on its head.
    /// </summary>
    private const string Opening = Fence + Rows + """

        select ord, set_config('idle_in_transaction_session_timeout', '5000', true), set_config('statement_timeout', '15000', true) from won
        """;

    /// <summary>The answer holds the 1-based position of each batch that was stored.</summary>
    public static NpgsqlCommand Create(NpgsqlConnection connection, List<LogBatch> batches) => Create(connection, batches, Whole, static _ => true);

    /// <summary>
    /// All but the events themselves, which the caller writes with <see cref="EventCopy"/> before it commits. The answer holds the 1-based position of each
    /// batch that may be stored.
    /// </summary>
    public static NpgsqlCommand CreateOpening(NpgsqlConnection connection, List<LogBatch> batches) =>
        Create(connection, batches, Opening, static e => FactCodec.IsLifecycle(e.Type));

    private static NpgsqlCommand Create(NpgsqlConnection connection, List<LogBatch> batches, string sql, Func<LoggedEvent, bool> included)
    {
        var events = batches.Sum(b => b.Events.Count(included));
        var rows = batches.Sum(b => b.Rows.Count);
        var e = new EventColumns(events);
        var r = new RowColumns(rows);
        for (var i = 0; i < batches.Count; i++)
        {
            foreach (var logged in batches[i].Events)
                if (included(logged)) e.Add(i + 1, (int)(logged.Seq - batches[i].First), logged);
            foreach (var row in batches[i].Rows) r.Add(i + 1, row);
        }

        var command = new NpgsqlCommand(sql, connection);
        Add(command, "session", NpgsqlDbType.Text, batches.Select(b => b.Session).ToArray());
        Add(command, "tenant", NpgsqlDbType.Text, batches.Select(b => b.Tenant).ToArray());
        Add(command, "first", NpgsqlDbType.Bigint, batches.Select(b => b.First).ToArray());
        Add(command, "last", NpgsqlDbType.Bigint, batches.Select(b => b.Last).ToArray());
        Add(command, "e_ord", NpgsqlDbType.Bigint, e.Ord);
        Add(command, "e_n", NpgsqlDbType.Integer, e.N);
        Add(command, "e_type", NpgsqlDbType.Text, e.Type);
        Add(command, "e_task", NpgsqlDbType.Text, e.Task);
        Add(command, "e_run", NpgsqlDbType.Text, e.Run);
        Add(command, "e_source", NpgsqlDbType.Bigint, e.Source);
        Add(command, "e_at", NpgsqlDbType.TimestampTz, e.At);
        Add(command, "e_payload", NpgsqlDbType.Bytea, e.Payload);
        Add(command, "e_shared", NpgsqlDbType.Boolean, e.Shared);
        Add(command, "r_ord", NpgsqlDbType.Bigint, r.Ord);
        Add(command, "r_type", NpgsqlDbType.Text, r.Type);
        Add(command, "r_key", NpgsqlDbType.Text, r.Key);
        Add(command, "r_state", NpgsqlDbType.Bytea, r.State);
        return command;
    }

    private static void Add<T>(NpgsqlCommand command, string name, NpgsqlDbType type, T[] values) =>
        command.Parameters.Add(new NpgsqlParameter<T[]>(name, NpgsqlDbType.Array | type) { TypedValue = values });

    private sealed class EventColumns(int count)
    {
        private int _at;

        public long[] Ord { get; } = new long[count];
        public int[] N { get; } = new int[count];
        public string[] Type { get; } = new string[count];
        public string?[] Task { get; } = new string?[count];
        public string?[] Run { get; } = new string?[count];
        public long[] Source { get; } = new long[count];
        public DateTime[] At { get; } = new DateTime[count];
        public byte[][] Payload { get; } = new byte[count][];
        public bool[] Shared { get; } = new bool[count];

        public void Add(int ord, int n, LoggedEvent e)
        {
            (Ord[_at], N[_at], Type[_at], Task[_at], Run[_at]) = (ord, n, e.Type, e.TaskId, e.RunId);
            (Source[_at], At[_at], Payload[_at], Shared[_at]) = (e.Source, e.At.UtcDateTime, e.Payload, FactCodec.IsLifecycle(e.Type));
            _at++;
        }
    }

    private sealed class RowColumns(int count)
    {
        private int _at;

        public long[] Ord { get; } = new long[count];
        public string[] Type { get; } = new string[count];
        public string[] Key { get; } = new string[count];
        public byte[][] State { get; } = new byte[count][];

        public void Add(int ord, StateRow row)
        {
            (Ord[_at], Type[_at], Key[_at], State[_at]) = (ord, row.Type, row.Key, JsonbText.WithoutNul(row.Json));
            _at++;
        }
    }
}
