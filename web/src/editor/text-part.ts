// The part of the page that knows texts, as one chunk: documents and their editor come together, since whoever opens a file
// looks at it. What only some want comes after it, and finds here what it shares.
export { documentsOf } from "../document/documents";
export { createCodeEditor } from "./code-editor";

export const loadComparison = () => import("./compare-view");
export const loadHistory = () => import("../history/history-dialog");
