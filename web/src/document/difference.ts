import type { TextEdit } from "./document";

/** One edit that makes `after` of `before`, as small as a common beginning and end allow: the cursor stays where it was. */
export function difference(before: string, after: string): TextEdit[] {
  if (before === after) return [];
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before.charCodeAt(start) === after.charCodeAt(start)) start++;
  let end = 0;
  while (
    end < shorter - start &&
    before.charCodeAt(before.length - 1 - end) === after.charCodeAt(after.length - 1 - end)
  )
    end++;
  return [{ from: start, to: before.length - end, insert: after.slice(start, after.length - end) }];
}
