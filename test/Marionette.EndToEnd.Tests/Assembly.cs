using Marionette.EndToEnd.Tests.Support;
using Xunit.Sdk;
using Xunit.v3;

// Most of these tests wait: for a text to be said, for a fault to be noticed. Two at a time use two cores well, each in processes, folders and ports
// of its own. What measures time or memory runs alone, after the others.
[assembly: Parallelization(Mode = ParallelMode.Collections, MaxThreads = 2)]
[assembly: TestCollectionOrderer(typeof(LongestFirst))]
