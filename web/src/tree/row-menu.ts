// What the menu of a row offers, and why it does not offer the rest.
import { showHistory } from "../history/show-history";
import type { MenuItem } from "../parts/menu";
import { folderOf, isPython } from "../parts/paths";
import { text } from "../text";
import type { Operations } from "./operations";
import type { Row, Tree } from "./tree";

const words = text.action;

interface RowMenuPort {
  operations: Operations;
  tree: Tree;
  open: (path: string) => void;
  run: (path: string) => void;
}

export function rowMenu(row: Row, port: RowMenuPort): MenuItem[] {
  return row.kind === "folder" ? folderMenu(row, port) : fileMenu(row, port);
}

function folderMenu(row: Row, { operations, tree }: RowMenuPort): MenuItem[] {
  const readOnly = row.writable ? undefined : words.readOnlyReason;
  return [
    {
      label: words.newFile,
      action: () => void operations.newFile(row.path),
      disabledReason: readOnly,
      testid: "menu-new-file",
    },
    {
      label: words.newFolder,
      action: () => void operations.newFolder(row.path),
      disabledReason: readOnly,
      testid: "menu-new-folder",
    },
    {
      label: words.upload,
      action: () => operations.chooseAndUpload(row.path),
      disabledReason: readOnly,
      testid: "menu-upload",
    },
    {
      label: words.uploadFolder,
      action: () => operations.chooseAndUpload(row.path, true),
      disabledReason: readOnly,
      testid: "menu-upload-folder",
    },
    ...(row.fixed ? [] : copiesOf(row, operations, tree)),
    ...zipOf(row, operations),
    ...changes(row, operations),
    ...trashOf(row, operations),
  ];
}

/** Each folder that stays has a trash of its own. */
function trashOf(row: Row, operations: Operations): MenuItem[] {
  if (!row.fixed || !row.writable) return [];
  const action = () => operations.showTrash(row);
  return [{ label: words.trash, action, separated: true, testid: "menu-trash" }];
}

function fileMenu(row: Row, { operations, tree, open, run }: RowMenuPort): MenuItem[] {
  const first: MenuItem[] = [{ label: words.open, action: () => open(row.path), testid: "menu-open" }];
  if (isPython(row.path)) first.push({ label: words.run, action: () => run(row.path), testid: "menu-run" });
  const download = () => void operations.download(row.path);
  return [
    ...first,
    ...copiesOf(row, operations, tree),
    { label: words.download, action: download, testid: "menu-download" },
    { label: words.history, action: () => showHistory(row.path), testid: "menu-history" },
    ...changes(row, operations),
  ];
}

function copiesOf(row: Row, operations: Operations, tree: Tree): MenuItem[] {
  const folder = folderOf(row.path);
  const home = tree.home.peek();
  const isFolder = row.kind === "folder";
  const copies: MenuItem[] = [
    {
      label: words.duplicate,
      action: () => void operations.copy(row.path, folder, isFolder),
      disabledReason: tree.canWriteIn(folder) ? undefined : words.readOnlyReason,
      separated: true,
      testid: "menu-duplicate",
    },
  ];
  if (folder !== home && home !== "") {
    const action = () => void operations.copy(row.path, home, isFolder);
    copies.push({ label: words.copyHome, action, testid: "menu-copy-home" });
  }
  return copies;
}

/** "Local" is the list of people, and no folder of anybody's. */
function zipOf(row: Row, operations: Operations): MenuItem[] {
  if (row.path === "Local") return [];
  const action = () => void operations.downloadFolder(row.path);
  return [{ label: words.downloadZip, action, separated: row.fixed, testid: "menu-zip" }];
}

function changes(row: Row, operations: Operations): MenuItem[] {
  const disabledReason = row.fixed ? words.rootReason : row.writable ? undefined : words.readOnlyReason;
  return [
    {
      label: words.rename,
      action: () => void operations.rename(row),
      disabledReason,
      separated: true,
      testid: "menu-rename",
    },
    { label: words.move, action: () => void operations.moveTo(row), disabledReason, testid: "menu-move" },
    {
      label: words.remove,
      action: () => void operations.remove(row),
      disabledReason,
      danger: true,
      testid: "menu-delete",
    },
  ];
}
