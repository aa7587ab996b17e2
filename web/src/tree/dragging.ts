// Dragging in the tree: rows onto folders move, files from the desktop onto folders are uploaded.
import { folderOf, isWithin, joinPath, nameOf } from "../parts/paths";
import { gatherDrop } from "./gather";
import type { Operations } from "./operations";
import type { Row, Tree } from "./tree";

const pathType = "application/x-carrel-path";
/** A drag may not read its data before the drop, so the row under way is kept here. */
let dragged: string | null = null;

export function dropHandlers(row: Row, tree: Tree, operations: Operations) {
  const folder = row.kind === "folder" ? row.path : folderOf(row.path);
  const takes = (event: DragEvent): boolean => {
    if (!tree.canWriteIn(folder)) return false;
    if (event.dataTransfer?.types.includes("Files")) return true;
    return dragged !== null && folderOf(dragged) !== folder && !isWithin(folder, dragged);
  };
  return {
    draggable: row.writable && !row.fixed,
    onDragStart: (event: DragEvent) => {
      dragged = row.path;
      event.dataTransfer?.setData(pathType, row.path);
    },
    onDragEnd: () => {
      dragged = null;
    },
    onDragOver: (event: DragEvent) => {
      if (!takes(event)) return;
      event.preventDefault();
      event.stopPropagation();
      mark(event, true);
    },
    onDragLeave: (event: DragEvent) => mark(event, false),
    onDrop: (event: DragEvent) => {
      mark(event, false);
      if (!takes(event)) return;
      event.preventDefault();
      event.stopPropagation();
      const from = dragged;
      dragged = null;
      const data = event.dataTransfer;
      if (data?.types.includes("Files")) void operations.upload(folder, gatherDrop(data));
      else if (from !== null) void operations.move(from, joinPath(folder, nameOf(from)));
    },
  };
}

/** Beside the rows: files from the desktop go home. */
export function dropHome(tree: Tree, operations: Operations) {
  const takes = (event: DragEvent) =>
    tree.home.peek() !== "" && (event.dataTransfer?.types.includes("Files") ?? false);
  return {
    onDragOver: (event: DragEvent) => {
      if (!takes(event)) return;
      event.preventDefault();
      mark(event, true);
    },
    onDragLeave: (event: DragEvent) => mark(event, false),
    onDrop: (event: DragEvent) => {
      mark(event, false);
      if (!takes(event) || !event.dataTransfer) return;
      event.preventDefault();
      void operations.upload(tree.home.peek(), gatherDrop(event.dataTransfer));
    },
  };
}

const mark = (event: DragEvent, on: boolean) =>
  (event.currentTarget as HTMLElement).classList.toggle("drop-target", on);
