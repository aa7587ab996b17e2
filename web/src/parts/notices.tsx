// Short messages that come and go at the corner; errors stay until they are dismissed or ten seconds passed.
import { signal } from "@preact/signals";
import { text } from "../text";
import { CloseIcon } from "./icons";

interface Notice {
  id: number;
  kind: "error" | "info";
  message: string;
}

const notices = signal<readonly Notice[]>([]);
let nextId = 1;
const most = 3;

function show(kind: Notice["kind"], message: string, duration: number): void {
  const id = nextId++;
  const others = notices.value.filter((notice) => notice.message !== message);
  notices.value = [...others, { id, kind, message }].slice(-most);
  setTimeout(() => dismiss(id), duration);
}

const dismiss = (id: number) => (notices.value = notices.value.filter((notice) => notice.id !== id));

export const inform = (message: string): void => show("info", message, 4_000);

export const warn = (message: string): void => show("error", message, 10_000);

export const warnOf = (error: unknown): void => warn(error instanceof Error ? error.message : String(error));

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map((notice) => (
        <div key={notice.id} class={`notice ${notice.kind}`}>
          <span>{notice.message}</span>
          <button class="quiet square" aria-label={text.general.dismiss} onClick={() => dismiss(notice.id)}>
            <CloseIcon />
          </button>
        </div>
      ))}
    </div>
  );
}
