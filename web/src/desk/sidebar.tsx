// The left side: the tree with its buttons and the upload under way. A drawer on a narrow screen.
import { useEffect } from "preact/hooks";
import { NewFileIcon, NewFolderIcon, UploadIcon } from "../parts/icons";
import { text } from "../text";
import { TreeView } from "../tree/tree-view";
import { UploadProgress } from "../tree/upload";
import { UsageLine } from "../tree/usage";
import type { Desk } from "./desk";

const words = text.tree;

export function Sidebar({ desk }: { desk: Desk }) {
  const { operations, tree, isNarrow, drawerOpen, layout } = desk;
  const drawer = isNarrow.value;
  useEffect(() => {
    if (!drawer || !drawerOpen.value) return;
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) drawerOpen.value = false;
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [drawer, drawerOpen.value]);
  if (drawer ? !drawerOpen.value : !layout.value.sidebarOpen) return null;

  // Read so that the buttons follow the focus in the tree.
  void tree.focused.value;
  void tree.rows.value;
  const folder = operations.targetFolder();
  const where = text.fileDialog.where(folder);
  const nowhere = folder === "" ? text.fileDialog.nowhere : undefined;
  return (
    <>
      {drawer && <div class="drawer-shade" onClick={() => (drawerOpen.value = false)} />}
      <nav
        class={`sidebar ${drawer ? "drawer" : ""}`}
        style={drawer ? {} : { width: `${layout.value.sidebarWidth}px` }}
        aria-label={words.label}
      >
        <div class="sidebar-head">
          <h2 class="panel-title">{words.label}</h2>
          <button
            class="quiet square"
            data-testid="new-file"
            aria-label={words.newFile}
            title={nowhere ?? `${words.newFile} – ${where}`}
            disabled={folder === ""}
            onClick={() => void operations.newFile(folder)}
          >
            <NewFileIcon />
          </button>
          <button
            class="quiet square"
            data-testid="new-folder"
            aria-label={words.newFolder}
            title={nowhere ?? `${words.newFolder} – ${where}`}
            disabled={folder === ""}
            onClick={() => void operations.newFolder(folder)}
          >
            <NewFolderIcon />
          </button>
          <button
            class="quiet square"
            data-testid="upload"
            aria-label={words.upload}
            title={nowhere ?? `${words.upload} – ${where}`}
            disabled={folder === ""}
            onClick={() => operations.chooseAndUpload(folder)}
          >
            <UploadIcon />
          </button>
        </div>
        <TreeView
          tree={tree}
          operations={operations}
          activePath={desk.files.active.value?.path.value ?? null}
          open={(path) => desk.open(path)}
          run={(path) => desk.runFile(path)}
        />
        <UploadProgress />
        <UsageLine watch={desk.usage} />
      </nav>
    </>
  );
}
