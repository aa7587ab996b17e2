// Two versions of a file side by side, for a person to choose or to put together. Mine can be edited.
import { useEffect, useRef, useState } from "preact/hooks";
import type { OpenDocument } from "../document/document";
import { Dialog } from "../parts/dialog";
import { warnOf } from "../parts/notices";
import { nameOf } from "../parts/paths";
import { text } from "../text";
import type { Comparison } from "./compare-view";

const words = text.save;

interface CompareDialogProps {
  document: OpenDocument;
  onResolve: (choice: "mine" | "theirs") => Promise<void>;
  onClose: () => void;
}

export function CompareDialog({ document, onResolve, onClose }: CompareDialogProps) {
  const host = useRef<HTMLDivElement>(null);
  const comparison = useRef<Comparison | null>(null);
  const [gone, setGone] = useState(false);
  useEffect(() => {
    let closed = false;
    const show = async () => {
      const [other, { compare }] = await Promise.all([
        document.otherText(),
        import("./text-part").then(({ loadComparison }) => loadComparison()),
      ]);
      if (closed || !host.current) return;
      if (other === null) return setGone(true);
      const path = document.path.peek();
      comparison.current = compare(host.current, {
        path,
        left: { title: words.other, text: other },
        right: { title: words.mine, text: document.text() },
        editable: true,
      });
    };
    show().catch((error: unknown) => {
      warnOf(error);
      if (!closed) onClose();
    });
    return () => {
      closed = true;
      comparison.current?.destroy();
    };
  }, [document]);
  const choose = async (choice: "mine" | "theirs") => {
    const mine = comparison.current?.rightText();
    onClose();
    if (choice === "mine" && mine !== undefined) document.replaceText(mine);
    await onResolve(choice);
  };
  return (
    <Dialog title={words.compareTitle(nameOf(document.path.value))} onClose={onClose} class="huge">
      <p class="hint">{gone ? words.otherGone : words.compareHint}</p>
      <div class="comparison" ref={host} data-testid="comparison" />
      <footer class="dialog-foot">
        {!gone && (
          <button
            data-testid="compare-theirs"
            title={words.takeTheirsWhy}
            onClick={() => void choose("theirs")}
          >
            {words.takeTheirs}
          </button>
        )}
        <button
          class="primary"
          data-testid="compare-mine"
          title={words.keepMineWhy}
          onClick={() => void choose("mine")}
        >
          {words.keepMine}
        </button>
      </footer>
    </Dialog>
  );
}
