// The tabs of the open files: click, middle click to close, arrows by keyboard, drag to reorder.
import { useEffect, useRef } from "preact/hooks";
import type { Desk } from "../desk/desk";
import { CloseIcon } from "../parts/icons";
import { folderOf, nameOf } from "../parts/paths";
import { text } from "../text";
import { documentOf, type OpenFile } from "./open-files";

const words = text.tabs;
let dragged: OpenFile | null = null;
const tabId = (file: OpenFile): string => `file-tab-${file.id}`;

export function TabStrip({ desk }: { desk: Desk }) {
  const files = desk.files.files.value;
  if (files.length === 0) return null;
  const onKeyDown = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const active = desk.files.active.peek();
    if (by !== 0) desk.files.step(by);
    else if (event.key === "Delete" && active) void desk.files.close(active);
    else return;
    event.preventDefault();
    const strip = event.currentTarget as HTMLElement;
    requestAnimationFrame(() => strip.querySelector<HTMLElement>("[aria-selected=true]")?.focus());
  };
  return (
    <div class="tab-strip" onKeyDown={onKeyDown}>
      {/* A tablist may hold tabs only, and each tab here has a close button beside it. */}
      <div role="tablist" aria-label={words.label} aria-owns={files.map(tabId).join(" ")} />
      {files.map((file, index) => (
        <Tab key={file.id} desk={desk} file={file} index={index} />
      ))}
    </div>
  );
}

function Tab({ desk, file, index }: { desk: Desk; file: OpenFile; index: number }) {
  const path = file.path.value;
  const name = nameOf(path);
  const active = desk.files.active.value === file;
  const dirty = documentOf(file)?.dirty.value ?? false;
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (active) element.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [active]);
  return (
    <div
      class={`tab ${active ? "active" : ""}`}
      data-testid="tab"
      data-path={path}
      draggable
      ref={element}
      onMouseDown={(event) => event.button === 1 && event.preventDefault()}
      onAuxClick={(event) => event.button === 1 && void desk.files.close(file)}
      onDragStart={() => (dragged = file)}
      onDragEnd={() => (dragged = null)}
      onDragOver={(event) => {
        if (!dragged) return;
        event.preventDefault();
        if (dragged !== file) desk.files.reorder(dragged, index);
      }}
    >
      <button
        role="tab"
        id={tabId(file)}
        class="tab-name"
        aria-selected={active}
        aria-controls={active ? `file-panel-${file.id}` : undefined}
        tabIndex={active ? 0 : -1}
        title={path}
        onClick={() => {
          desk.files.active.value = file;
          desk.showEditor();
        }}
      >
        {name}
        {desk.files.hasNamesake(file) && <span class="tab-folder">{nameOf(folderOf(path))}</span>}
        {dirty && <span class="unsaved" role="img" aria-label={words.unsaved} />}
      </button>
      <button
        class="quiet square tab-close"
        tabIndex={active ? 0 : -1}
        aria-label={words.close(name)}
        onClick={() => void desk.files.close(file)}
      >
        <CloseIcon />
      </button>
    </div>
  );
}
