// What may enter a document from this editor: well-formed text (a document travels and is stored as UTF-8), with "\n" as
// the only line end, no longer than the server takes. What cannot be mended is refused with a word.
import { EditorState, type Extension, type Text, type TransactionSpec, Transaction } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { warn } from "../parts/notices";
import { maxima } from "../protocol";
import { text } from "../text";

const loneHalf = /\p{Surrogate}/gu;
const isHigh = (unit: string): boolean => /^[\ud800-\udbff]/.test(unit);
const isLow = (unit: string): boolean => /^[\udc00-\udfff]/.test(unit);

export const guard = (): Extension => [
  EditorState.lineSeparator.of("\n"),
  // From another system's clipboard. What is in the file already stays as it is.
  EditorView.clipboardInputFilter.of((pasted) => pasted.replace(/\r\n?/g, "\n")),
  EditorState.transactionFilter.of((transaction) => {
    if (!transaction.docChanged) return transaction;
    const { startState, newDoc } = transaction;
    if (newDoc.length > startState.doc.length && isTooLong(newDoc)) {
      warn(text.editor.tooLong);
      return [];
    }
    return mended(transaction) ?? transaction;
  }),
];

function isTooLong(doc: Text): boolean {
  // Three bytes a unit at most.
  if (doc.length * 3 <= maxima.text) return false;
  const encoder = new TextEncoder();
  let bytes = 0;
  for (const part of doc.iter()) bytes += encoder.encode(part).length;
  return bytes > maxima.text;
}

/** The same without halves of characters; nothing where there are none. */
function mended(transaction: Transaction): TransactionSpec | null {
  const { doc } = transaction.startState;
  const within = (at: number) =>
    at > 0 && at < doc.length && isHigh(doc.sliceString(at - 1, at)) && isLow(doc.sliceString(at, at + 1));
  let wrong = false;
  const changes: { from: number; to: number; insert: string }[] = [];
  transaction.changes.iterChanges((from, to, _fromAfter, _toAfter, inserted) => {
    const typed = inserted.toString();
    const insert = typed.replace(loneHalf, "\ufffd");
    const [start, end] = [within(from) ? from - 1 : from, within(to) ? to + 1 : to];
    wrong ||= insert !== typed || start !== from || end !== to;
    changes.push({ from: start, to: end, insert });
  });
  if (!wrong) return null;
  const userEvent = transaction.annotation(Transaction.userEvent);
  return {
    changes,
    scrollIntoView: transaction.scrollIntoView,
    ...(userEvent !== undefined && { userEvent }),
  };
}
