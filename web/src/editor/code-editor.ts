// The editor view: CodeMirror, told about one document, in a chunk of its own. It shows the document's text, reports edits
// and shows edits that come from elsewhere; it saves nothing itself. Undo is a person's own: what others type is not in it.
import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import {
  defaultKeymap,
  history,
  historyKeymap,
  isolateHistory,
  indentLess,
  indentMore,
  toggleComment,
} from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit } from "@codemirror/language";
import {
  Annotation,
  Compartment,
  EditorSelection,
  EditorState,
  Prec,
  Transaction,
  type Extension,
} from "@codemirror/state";
import {
  crosshairCursor,
  drawSelection,
  dropCursor,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  rectangularSelection,
  type Command,
} from "@codemirror/view";
import { effect } from "@preact/signals";
import type { OpenDocument, ShownChange } from "../document/document";
import { isPython } from "../parts/paths";
import { text } from "../text";
import { highlighting, theme } from "./code-theme";
import { guard } from "./guard";
import { peers, setPeers } from "./peers";

export interface CodeEditor {
  focus(): void;
  setWrap(wrap: boolean): void;
  setLabel(label: string): void;
  /** The place or the size of letters changed. */
  measure(): void;
  destroy(): void;
}

/** Marks what came from the document, so that it is not reported back to it. */
const fromDocument = Annotation.define<boolean>();

export function createCodeEditor(
  parent: HTMLElement,
  document: OpenDocument,
  options: { label: string; wrap: boolean },
): CodeEditor {
  const [wrapping, language, reading, labelling, later] = Array.from(
    { length: 5 },
    () => new Compartment(),
  ) as [Compartment, Compartment, Compartment, Compartment, Compartment];
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: document.content(),
      extensions: [
        wrapping.of(wrapped(options.wrap)),
        guard(),
        editing(),
        language.of([]),
        reading.of([]),
        labelling.of(label(options.label)),
        reporting(document),
        later.of([]),
        peers,
        theme,
        highlighting,
      ],
    }),
  });
  const stops = [
    document.onChanges((change) => view.dispatch(shown(change))),
    effect(() => view.dispatch({ effects: language.reconfigure(languageOf(document.path.value)) })),
    effect(() =>
      view.dispatch({ effects: reading.reconfigure(EditorState.readOnly.of(!document.writable.value)) }),
    ),
    effect(() => view.dispatch({ effects: setPeers.of(document.peers.value) })),
  ];
  import("./afterwards").then(
    ({ afterwards }) => view.dispatch({ effects: later.reconfigure(afterwards) }),
    // Without a line there is the browser's own search.
    () => undefined,
  );
  return {
    focus: () => view.focus(),
    setWrap: (wrap) => view.dispatch({ effects: wrapping.reconfigure(wrapped(wrap)) }),
    setLabel: (words) => view.dispatch({ effects: labelling.reconfigure(label(words)) }),
    measure: () => view.requestMeasure(),
    destroy: () => {
      for (const stop of stops) stop();
      view.destroy();
    },
  };
}

const wrapped = (wrap: boolean): Extension => (wrap ? EditorView.lineWrapping : []);

const label = (words: string): Extension =>
  EditorView.contentAttributes.of({ "aria-label": words, autocapitalize: "off", tabindex: "0" });

export const languageOf = (path: string): Extension => (isPython(path) ? python() : []);

function shown({ changes, own }: ShownChange) {
  const annotations = own
    ? [isolateHistory.of("full" as const)]
    : [Transaction.addToHistory.of(false), Transaction.remote.of(true)];
  return { changes, annotations: [fromDocument.of(true), ...annotations], filter: false };
}

function reporting(document: OpenDocument): Extension {
  return EditorView.updateListener.of((update) => {
    const own = !update.transactions.some((transaction) => transaction.annotation(fromDocument));
    if (update.docChanged && own) document.edited(update.changes);
    const { anchor, head } = update.state.selection.main;
    if (own && (update.docChanged || update.selectionSet)) document.cursorMoved(anchor, head);
  });
}

const editing = (): Extension => [
  EditorState.phrases.of(text.editorPhrases),
  EditorState.tabSize.of(4),
  indentUnit.of("    "),
  EditorState.allowMultipleSelections.of(true),
  lineNumbers(),
  highlightActiveLineGutter(),
  foldGutter(),
  highlightSpecialChars(),
  history(),
  drawSelection(),
  dropCursor(),
  indentOnInput(),
  bracketMatching(),
  closeBrackets(),
  rectangularSelection(),
  crosshairCursor(),
  highlightActiveLine(),
  Prec.high(keymap.of(ownKeys)),
  keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...foldKeymap]),
];

/** Spaces to the next stop of four; a selection is indented as a whole. */
const indentWithSpaces: Command = (view) => {
  const { state } = view;
  if (state.readOnly) return false;
  if (state.selection.ranges.some((range) => !range.empty)) return indentMore(view);
  view.dispatch(
    state.update(
      state.changeByRange((range) => {
        const column = range.head - state.doc.lineAt(range.head).from;
        const insert = " ".repeat(4 - (column % 4));
        return {
          changes: { from: range.head, insert },
          range: EditorSelection.cursor(range.head + insert.length),
        };
      }),
      { scrollIntoView: true, userEvent: "input" },
    ),
  );
  return true;
};

const ownKeys = [
  { key: "Tab", run: indentWithSpaces, shift: indentLess },
  { key: "Mod-3", run: toggleComment },
];
