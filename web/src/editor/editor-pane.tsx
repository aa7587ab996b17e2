// What is in front: the text of a file, a picture, or why neither can be shown, with the bars that belong to it.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Desk } from "../desk/desk";
import { nameOf } from "../parts/paths";
import { settings } from "../settings/settings";
import { text } from "../text";
import type { OpenDocument } from "../document/document";
import type { CodeEditor } from "./code-editor";
import { FileBars } from "./file-bars";
import type { FileView, OpenFile } from "./open-files";

const words = text.editor;

export function EditorPane({ desk }: { desk: Desk }) {
  const { files } = desk;
  const active = files.active.value;
  return (
    <div class="editor-pane">
      {active && <FileBars desk={desk} file={active} />}
      {files.files.value.map((file) => (
        <FilePanel key={file.id} desk={desk} file={file} shown={file === active} />
      ))}
      {!active && <NothingOpen desk={desk} />}
    </div>
  );
}

function FilePanel({ desk, file, shown }: { desk: Desk; file: OpenFile; shown: boolean }) {
  const view = file.view.value;
  // Tabs that were never looked at are not read, and have nothing to show.
  if (view.kind === "unread" && !shown) return null;
  return (
    <div
      class="file-panel"
      id={`file-panel-${file.id}`}
      role="tabpanel"
      aria-label={nameOf(file.path.value)}
      hidden={!shown}
      data-testid={shown ? "editor" : undefined}
    >
      <FileContent desk={desk} file={file} view={view} shown={shown} />
    </div>
  );
}

interface FileContentProps {
  desk: Desk;
  file: OpenFile;
  view: FileView;
  shown: boolean;
}

function FileContent({ desk, file, view, shown }: FileContentProps) {
  const path = file.path.value;
  switch (view.kind) {
    case "unread":
    case "loading":
      return <p class="quiet-message">{text.loading}</p>;
    case "text":
      return (
        <TextView desk={desk} document={view.document} shown={shown} label={words.label(nameOf(path))} />
      );
    case "picture":
      return (
        <div class="picture">
          <img src={view.address} alt={words.image(nameOf(path))} />
        </div>
      );
    case "problem":
      return (
        <div class="empty">
          <p>{view.message}</p>
          <div class="button-row">
            {view.download && (
              <button class="primary" onClick={() => void desk.operations.download(path)}>
                {words.download}
              </button>
            )}
            {view.retry && <button onClick={() => void desk.files.retry(file)}>{words.retry}</button>}
            <button onClick={() => void desk.files.close(file)}>{words.closeTab}</button>
          </div>
        </div>
      );
  }
}

interface TextViewProps {
  desk: Desk;
  document: OpenDocument;
  shown: boolean;
  label: string;
}

function TextView({ desk, document, shown, label }: TextViewProps) {
  const host = useRef<HTMLDivElement>(null);
  const [editor, setEditor] = useState<CodeEditor | null>(null);
  const [failed, setFailed] = useState(false);
  const { wrap, fontSize } = settings.value;

  useEffect(() => {
    let made: CodeEditor | null = null;
    let gone = false;
    import("./text-part").then(
      ({ createCodeEditor }) => {
        if (gone || !host.current) return;
        made = createCodeEditor(host.current, document, { label, wrap });
        setEditor(made);
      },
      () => setFailed(true),
    );
    return () => {
      gone = true;
      made?.destroy();
    };
  }, [document]);
  useEffect(() => editor?.setWrap(wrap), [editor, wrap]);
  useEffect(() => editor?.setLabel(label), [editor, label]);
  useEffect(() => {
    if (!shown || !editor) return;
    editor.measure();
    return desk.editorShown(document, () => editor.focus());
  }, [editor, shown, fontSize]);

  return (
    <>
      {!editor && (
        <p class="quiet-message">{failed ? words.failed(text.connection.offline) : text.loading}</p>
      )}
      <div class="code" ref={host} />
    </>
  );
}

function NothingOpen({ desk }: { desk: Desk }) {
  const canWrite = desk.tree.home.value !== "";
  return (
    <div class="empty">
      <h2>{words.emptyTitle}</h2>
      <p>{canWrite ? words.empty : words.emptyReadOnly}</p>
      {desk.isNarrow.value && <button onClick={() => desk.toggleSidebar()}>{text.tree.open}</button>}
      {canWrite && (
        <button class="primary" onClick={() => void desk.operations.newFile(desk.operations.targetFolder())}>
          {text.action.newFile}
        </button>
      )}
    </div>
  );
}
