// A file's past put in order: moments at which one can stop, by minutes or by sessions, and runs between them.
import type { Mark, Requests, Span } from "../protocol";

/** Longer without a keystroke, and another session begins. */
export const sessionGap = 30 * 60_000;
const minute = 60_000;

export type Past = Requests["history.list"]["reply"];
export type StepSize = "minutes" | "sessions";

/** The text after what was typed from `start` to `end`. */
export interface Moment {
  revision: number;
  start: number;
  end: number;
  names: string[];
  inserted: number;
  deleted: number;
}

/** Oldest first; the first is the beginning, before anything that is known was typed. */
export function momentsOf(past: Past, size: StepSize): Moment[] {
  const begin: Moment = { revision: past.first, start: 0, end: 0, names: [], inserted: 0, deleted: 0 };
  const moments: Moment[] = [begin];
  for (const span of past.spans) {
    if (span.to <= past.first) continue;
    const last = moments.at(-1);
    if (last && last !== begin && belong(last, span, size)) extend(last, span);
    else {
      moments.push({
        revision: span.to,
        start: span.start,
        end: span.end,
        names: [span.name],
        inserted: span.inserted,
        deleted: span.deleted,
      });
    }
  }
  return moments;
}

const belong = (moment: Moment, span: Span, size: StepSize): boolean =>
  size === "sessions"
    ? span.start - moment.end <= sessionGap
    : Math.floor(span.start / minute) <= Math.floor(moment.end / minute);

function extend(moment: Moment, span: Span): void {
  moment.revision = Math.max(moment.revision, span.to);
  moment.end = Math.max(moment.end, span.end);
  moment.inserted += span.inserted;
  moment.deleted += span.deleted;
  if (!moment.names.includes(span.name)) moment.names.push(span.name);
}

/** Which moment shows a revision: the last one that is not after it. */
export function momentAt(moments: readonly Moment[], revision: number): number {
  let index = 0;
  while (index + 1 < moments.length && (moments[index + 1]?.revision ?? Infinity) <= revision) index++;
  return index;
}

/** Where a revision lies among the moments, from 0 to 1. */
export function placeOf(moments: readonly Moment[], revision: number): number {
  if (moments.length < 2) return 0;
  const index = momentAt(moments, revision);
  const [here, next] = [moments[index], moments[index + 1]];
  const part = here && next ? (revision - here.revision) / Math.max(1, next.revision - here.revision) : 0;
  return (index + Math.min(1, Math.max(0, part))) / (moments.length - 1);
}

export type RunEnd = "error" | "fine" | "stopped" | "limit" | null;

export function endOf({ reason, exit }: Mark): RunEnd {
  // Closed at its prompt: nothing is known of how the program itself ended.
  if (reason === undefined || reason === "closed") return null;
  if (reason === "stopped" || reason === "killed") return "stopped";
  if (reason.endsWith("-limit")) return "limit";
  if (reason === "failed") return "error";
  return exit === undefined || exit === 0 ? "fine" : "error";
}
