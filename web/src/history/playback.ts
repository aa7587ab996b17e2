// Playing a file's past: fetches its steps in portions and gives them out at the pace at which they were typed, without
// the pauses for thought.
import { ChangeSet } from "@codemirror/state";
import type { Connection } from "../connection/connection";

export interface PlayedStep {
  changes: ChangeSet;
  /** The revision after it. */
  revision: number;
  time: number;
  name: string;
}

/** However long somebody thought, and however fast they typed. */
const longest = 700;
const shortest = 12;

export class Playback {
  private steps: PlayedStep[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;
  private lastTime: number | null = null;

  constructor(
    private readonly connection: Pick<Connection, "request">,
    private readonly path: string,
    private revision: number,
    private readonly end: number,
    public speed: number,
    private readonly show: (step: PlayedStep) => void,
    /** With an error where it could not go on. */
    private readonly ended: (error?: unknown) => void,
  ) {
    void this.next();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private async next(): Promise<void> {
    try {
      if (this.steps.length === 0 && this.revision < this.end) await this.fetch();
    } catch (error) {
      if (!this.stopped) this.ended(error);
      return;
    }
    const step = this.steps.shift();
    if (this.stopped) return;
    if (!step) {
      this.ended();
      return;
    }
    const pause = Math.min(longest, Math.max(0, step.time - (this.lastTime ?? step.time)));
    this.lastTime = step.time;
    this.timer = setTimeout(
      () => {
        this.revision = step.revision;
        this.show(step);
        void this.next();
      },
      Math.max(shortest, pause / this.speed),
    );
  }

  private async fetch(): Promise<void> {
    const { path, revision: from } = this;
    const reply = await this.connection.request("history.updates", { path, from });
    const count = reply.steps.length;
    this.steps = reply.steps.map(({ changes, time, name }, index) => ({
      changes: ChangeSet.fromJSON(changes),
      // Of steps that were several updates only the last one's revision is known.
      revision: index + 1 === count ? reply.revision : Math.min(reply.revision, from + index + 1),
      time,
      name,
    }));
  }
}
