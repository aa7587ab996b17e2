// A run's state and end in words for a person.
import type { RunInfo } from "../protocol";
import { text } from "../text";

const words = text.run;

export const stateWord = (info: RunInfo): string => words.states[info.state];

/** Nothing while it lives. */
export function endSentence(info: RunInfo): string | null {
  if (info.state !== "ended") return null;
  const parts = [info.explanation ?? (info.reason ? words.reasons[info.reason] : words.reasons.finished)];
  if (info.signal !== undefined && info.signal > 0 && info.reason !== "stopped" && info.reason !== "killed") {
    parts.push(words.signal(info.signal));
  } else if (info.exit !== undefined && info.exit > 0) {
    parts.push(words.exit(info.exit));
  }
  return parts.join(" ");
}
