// How full one's own folder is, told quietly below the tree; louder when little is left.
import { signal } from "@preact/signals";
import type { Connection } from "../connection/connection";
import { isWithin } from "../parts/paths";
import { sizeText } from "../parts/sizes";
import type { Requests } from "../protocol";
import { text } from "../text";

type Usage = Requests["tree.usage"]["reply"];

/** Asked at connecting and after changes, but not more often: the server walks through the whole folder for it. */
const pauseAfterChange = 4_000;

export class UsageWatch {
  readonly usage = signal<Usage | null>(null);
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly connection: Connection,
    private readonly home: () => string,
  ) {
    connection.on("tree.changed", ({ path }) => {
      if (this.home() !== "" && isWithin(path, this.home())) this.askSoon(pauseAfterChange);
    });
    connection.on("hello", () => this.askSoon(0));
  }

  private askSoon(pause: number): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      void this.ask();
    }, pause);
  }

  private async ask(): Promise<void> {
    if (this.home() === "") return;
    try {
      this.usage.value = await this.connection.request("tree.usage", { path: this.home() });
    } catch {
      this.usage.value = null; // asked again after the next change
    }
  }
}

const share = (part: number, whole: number) => (whole > 0 ? part / whole : 0);

export function UsageLine({ watch }: { watch: UsageWatch }) {
  const usage = watch.usage.value;
  if (!usage || (usage.most_bytes === 0 && usage.most_files === 0)) return null;
  const bytes = share(usage.bytes, usage.most_bytes);
  const files = share(usage.files, usage.most_files);
  const words =
    files > bytes && files > 0.9
      ? text.usage.files(usage.files, usage.most_files)
      : text.usage.bytes(sizeText(usage.bytes), sizeText(usage.most_bytes));
  return (
    <div class={`usage ${Math.max(bytes, files) > 0.9 ? "nearly-full" : ""}`} data-testid="usage">
      <meter aria-label={text.usage.label} min={0} max={1} high={0.9} value={Math.max(bytes, files)} />
      <span title={text.usage.trash(sizeText(usage.trash))}>{words}</span>
    </div>
  );
}
