// Where the history stands on the desk: its panel is a part of the page that comes when it is first asked for.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Desk } from "../desk/desk";
import { warn } from "../parts/notices";
import { text } from "../text";
import type { HistoryDialog } from "./history-dialog";
import { shownHistory } from "./show-history";

const panel = signal<typeof HistoryDialog | null>(null);

export function HistoryHost({ desk }: { desk: Desk }) {
  const path = shownHistory.value;
  useEffect(() => {
    if (path === null || panel.peek()) return;
    const loaded = import("../editor/text-part").then(({ loadHistory }) => loadHistory());
    loaded.then(
      ({ HistoryDialog: Panel }) => (panel.value = Panel),
      () => {
        shownHistory.value = null;
        warn(text.connection.offline);
      },
    );
  }, [path]);
  const Panel = panel.value;
  if (path === null || !Panel) return null;
  return <Panel key={path} desk={desk} path={path} onClose={() => (shownHistory.value = null)} />;
}
