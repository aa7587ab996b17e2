// Running exactly what is shown: what is pending is pushed, and the run is asked for at the revision that this makes, in
// the same breath. Whatever is typed afterwards does not matter to it.
import { RequestError } from "../connection/connection";
import type { RunSource } from "./document";
import type { DocumentSync, Goal } from "./document-sync";

const tries = 3;

export async function runDocument<Result>(
  sync: DocumentSync,
  alone: () => boolean,
  start: (source: RunSource) => Promise<Result>,
): Promise<Result> {
  const goal: Goal = { left: sync.replica.pending.length, done: () => undefined };
  sync.goals.add(goal);
  sync.held++;
  try {
    for (let left = tries; ; left--) {
      const source = await pushAll(sync, goal, alone);
      if (!source) continue;
      try {
        return await start({ document: sync.replica.number, ...source });
      } catch (error) {
        // Somebody else's update took that revision.
        if (!(error instanceof RequestError) || error.code !== "conflict" || left <= 1) throw error;
        await sync.settled();
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
): Promise<{ revision: number; client?: string } | null> {
  await sync.whenReady();
  while (goal.left > 0) {
    const { revision } = sync.replica;
    const wanted = goal.left;
    const { updates, pushed } = sync.push(wanted);
    const client = updates.at(-1)?.client;
    // Alone, the push will be taken and its revision is known: the run can follow at once.
    if (updates.length === wanted && client !== undefined && alone())
      return { revision: revision + wanted, client };
    if ((await pushed) !== "accepted") return null;
    await sync.whenReady();
  }
  return { revision: sync.replica.revision };
}
