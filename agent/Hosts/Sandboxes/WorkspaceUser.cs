using System.Globalization;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>The user that a workspace's files belong to, noted beside it: the next runner takes the same one if it can.</summary>
internal static class WorkspaceUser
{
    private const string Ending = ".user";

    /// <summary>0 when nobody's.</summary>
    public static int Of(string workspace)
    {
        try
        {
            return int.TryParse(File.ReadAllText(workspace + Ending), NumberStyles.None, CultureInfo.InvariantCulture, out var user) ? user : 0;
        }
        catch (IOException)
        {
            return 0;
        }
    }

    /// <summary>Nobody's from here on.</summary>
    public static void Forget(string workspace)
    {
        File.Delete(workspace + Ending + ".new");
        File.Delete(workspace + Ending);
    }

    public static void Save(string workspace, int user)
    {
        if (Of(workspace) != user)
            WholeFile.Write(workspace + Ending, System.Text.Encoding.ASCII.GetBytes(user.ToString(CultureInfo.InvariantCulture)));
    }
}
