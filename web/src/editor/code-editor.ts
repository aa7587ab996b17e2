// The editor view: CodeMirror, told about one document. The only module that knows CodeMirror, and a chunk of its own.
// It shows the document's text, reports edits and shows edits that come from elsewhere; it saves nothing itself.
import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
} from "@codemirror/autocomplete";
import {
  defaultKeymap,
  history,
  historyKeymap,
  indentLess,
  indentMore,
  toggleComment,
} from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit } from "@codemirror/language";
import {
  gotoLine,
  highlightSelectionMatches,
  openSearchPanel,
  search,
  searchKeymap,
} from "@codemirror/search";
import {
  Annotation,
  Compartment,
  EditorSelection,
  EditorState,
  Prec,
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
import type { OpenDocument } from "../document/document";
import { isPython } from "../parts/paths";
import { text } from "../text";
import { highlighting, theme } from "./code-theme";

export interface CodeEditor {
  focus(): void;
  setWrap(wrap: boolean): void;
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
  const wrapping = new Compartment();
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: document.text(),
      extensions: [
        wrapping.of(options.wrap ? EditorView.lineWrapping : []),
        editing(),
        isPython(document.path.peek()) ? python() : [],
        document.writable ? [] : [EditorState.readOnly.of(true)],
        EditorView.contentAttributes.of({
          "aria-label": options.label,
          autocapitalize: "off",
          tabindex: "0",
        }),
        reporting(document),
        theme,
        highlighting,
      ],
    }),
  });
  const stopListening = document.onEdits((edits) =>
    view.dispatch({ changes: [...edits], annotations: fromDocument.of(true) }),
  );
  return {
    focus: () => view.focus(),
    setWrap: (wrap) => view.dispatch({ effects: wrapping.reconfigure(wrap ? EditorView.lineWrapping : []) }),
    measure: () => view.requestMeasure(),
    destroy: () => {
      stopListening();
      view.destroy();
    },
  };
}

function reporting(document: OpenDocument): Extension {
  return EditorView.updateListener.of((update) => {
    if (!update.docChanged) return;
    if (update.transactions.some((transaction) => transaction.annotation(fromDocument))) return;
    const edits: { from: number; to: number; insert: string }[] = [];
    update.changes.iterChanges((from, to, _fromAfter, _toAfter, inserted) =>
      edits.push({ from, to, insert: inserted.toString() }),
    );
    document.edited(edits, () => update.state.doc.toString());
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
  // Names are suggested when asked for: a beginner learns by typing.
  autocompletion({ activateOnTyping: false }),
  rectangularSelection(),
  crosshairCursor(),
  highlightActiveLine(),
  highlightSelectionMatches(),
  search({ top: true }),
  Prec.high(keymap.of(ownKeys)),
  keymap.of([
    ...closeBracketsKeymap,
    ...defaultKeymap,
    ...searchKeymap,
    ...historyKeymap,
    ...foldKeymap,
    ...completionKeymap,
  ]),
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

const openReplace: Command = (view) => {
  openSearchPanel(view);
  view.dom.querySelector<HTMLInputElement>(".cm-search [name=replace]")?.select();
  return true;
};

const ownKeys = [
  { key: "Tab", run: indentWithSpaces, shift: indentLess },
  { key: "Mod-3", run: toggleComment },
  { key: "Mod-h", run: openReplace, preventDefault: true },
  { key: "Ctrl-g", run: gotoLine, preventDefault: true },
];
