// The keyboard of the tree. True where a key was taken.
import type { Operations } from "./operations";
import type { Row, Tree } from "./tree";
import { folderOf } from "../parts/paths";

interface TreeActions {
  activate: (row: Row) => void;
  openMenu: (row: Row, at: HTMLElement) => void;
  operations: Operations;
}

export const rowKey = (row: Row): string => (row.remark ? `remark:${row.path}` : row.path);

export function treeKey(event: KeyboardEvent, row: Row, tree: Tree, actions: TreeActions): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  return moveKey(event, row, tree) || actionKey(event, row, actions) || jumpKey(event, row, tree);
}

function moveKey(event: KeyboardEvent, row: Row, tree: Tree): boolean {
  const rows = tree.rows.peek().filter((candidate) => !candidate.remark);
  const index = rows.indexOf(row);
  const rightToLeft = getComputedStyle(event.target as Element).direction === "rtl";
  const inward = rightToLeft ? "ArrowLeft" : "ArrowRight";
  const outward = rightToLeft ? "ArrowRight" : "ArrowLeft";
  const focus = (target: Row | undefined) => {
    if (target) tree.focused.value = target.path;
    return true;
  };
  switch (event.key) {
    case "ArrowDown":
      return focus(rows[index + 1]);
    case "ArrowUp":
      return focus(rows[index - 1]);
    case "Home":
      return focus(rows[0]);
    case "End":
      return focus(rows.at(-1));
    case inward:
      if (row.kind !== "folder") return true;
      if (row.expanded) return focus(rows[index + 1]?.level === row.level + 1 ? rows[index + 1] : undefined);
      tree.setOpen(row.path, true);
      return true;
    case outward:
      if (!row.expanded) return focus(rows.find((candidate) => candidate.path === folderOf(row.path)));
      tree.setOpen(row.path, false);
      return true;
    default:
      return false;
  }
}

function actionKey(event: KeyboardEvent, row: Row, { activate, openMenu, operations }: TreeActions): boolean {
  const changeable = row.writable && !row.fixed;
  if (event.key === "Enter" || event.key === " ") activate(row);
  else if (event.key === "F2" && changeable) void operations.rename(row);
  else if (event.key === "Delete" && changeable) void operations.remove(row);
  else if (event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey))
    openMenu(row, event.target as HTMLElement);
  else return false;
  return true;
}

function jumpKey(event: KeyboardEvent, row: Row, tree: Tree): boolean {
  if (event.key.length !== 1) return false;
  const rows = tree.rows.peek().filter((candidate) => !candidate.remark);
  const after = [...rows.slice(rows.indexOf(row) + 1), ...rows];
  const target = after.find(({ name }) => name.toLowerCase().startsWith(event.key.toLowerCase()));
  if (target) tree.focused.value = target.path;
  return target !== undefined;
}
