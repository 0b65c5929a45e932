"""The cycle fidelity: a step as a set of tasks that wait for inputs, for space and for resources.

The rules, which every engine here follows to the tick:

1. A task is *ready* when all its predecessors have finished.
2. It then claims the buffer space that it takes; each buffer serves claims in the order in which
   they were made, and a claim that does not fit makes those behind it wait (back-pressure).
3. With its space granted it claims its resources; each resource serves claims in the order in which
   they were made (FIFO), each for that resource's own time.
4. Resources that it *keeps* (its arrays, a share of a power cap) wait for each other: it starts when
   all of them are granted, and they are its until their time after the start is over.  Resources
   that *stream* for it (links, memory channels, units that post-process) serve it on their own,
   before, while or after it works, since tiles buffer what passes: no link stands still because
   an array is not ready.
5. It finishes after its duration from the start, and not before all streams have ended; then the
   space that it frees is free.

Claims made at the same tick are served in the order of the tasks' keys, `Tasks.order`, which grow
along every dependence.  Hence the schedule is unique, and does not depend on the engine.
"""
