using Xunit.Sdk;
using Xunit.v3;

// Every test starts a whole stack of processes: two at a time would measure each other.
[assembly: Parallelization(Mode = ParallelMode.None)]
