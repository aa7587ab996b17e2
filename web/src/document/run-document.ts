// Running exactly what is shown: what is pending is pushed, and the run is asked for at the revision that this makes, in
// the same breath. Whatever is typed afterwards does not matter to it.
import { RequestError } from "../connection/connection";
import type { RunSource } from "./document";
import type { DocumentSync, Goal, Pushed } from "./document-sync";

const tries = 3;

/** `undo` ends a run that turned out to be of something else. */
export async function runDocument<Result>(
  sync: DocumentSync,
  alone: () => boolean,
  start: (source: RunSource) => Promise<Result>,
  undo: (result: Result) => Promise<unknown>,
): Promise<Result> {
  const goal: Goal = { left: sync.replica.pending.length, done: () => undefined };
  sync.goals.add(goal);
  sync.held++;
  try {
    for (let left = tries; ; left--) {
      const source = await pushAll(sync, goal, alone);
      if (!source) continue;
      const { revision, pushed } = source;
      const [push, run] = await Promise.allSettled([
        pushed,
        start({ document: sync.replica.number, revision }),
      ]);
      const accepted = push.status === "fulfilled" && push.value === "accepted";
      if (run.status === "rejected") {
        const outdated = run.reason instanceof RequestError && run.reason.code === "conflict";
        if (!outdated || left <= 1) throw run.reason;
      } else if (accepted) {
        return run.value;
      } else {
        // Somebody else's update took that revision: what runs is not what was shown.
        await undo(run.value);
      }
    }
  } finally {
    sync.goals.delete(goal);
    sync.release();
  }
}

/** Nothing where it must be begun again. */
async function pushAll(
  sync: DocumentSync,
  goal: Goal,
  alone: () => boolean,
): Promise<{ revision: number; pushed: Promise<Pushed> } | null> {
  await sync.whenReady();
  while (goal.left > 0) {
    const { revision } = sync.replica;
    const wanted = goal.left;
    const { count, pushed } = sync.push(wanted);
    // Alone, the push will be taken and its revision is known: the run can follow at once.
    if (count === wanted && alone()) return { revision: revision + count, pushed };
    if ((await pushed) !== "accepted") return null;
    await sync.whenReady();
  }
  return { revision: sync.replica.revision, pushed: Promise.resolve("accepted") };
}
