// Short messages that come and go at the corner; errors stay until they are dismissed or ten seconds passed.
import { signal } from "@preact/signals";
import { text } from "../text";
import { CloseIcon } from "./icons";

interface Notice {
  id: number;
  kind: "error" | "info";
  message: string;
  action?: NoticeAction | undefined;
}

/** What can be done about it, with one press. */
export interface NoticeAction {
  label: string;
  run: () => void;
}

const notices = signal<readonly Notice[]>([]);
let nextId = 1;
const most = 3;

function show(kind: Notice["kind"], message: string, duration: number, action?: NoticeAction): void {
  const id = nextId++;
  const others = notices.value.filter((notice) => notice.message !== message);
  notices.value = [...others, { id, kind, message, action }].slice(-most);
  setTimeout(() => dismiss(id), duration);
}

const dismiss = (id: number) => (notices.value = notices.value.filter((notice) => notice.id !== id));

export const inform = (message: string): void => show("info", message, 4_000);

export const offer = (message: string, action: NoticeAction): void => show("info", message, 10_000, action);

export const warn = (message: string): void => show("error", message, 10_000);

export const warnOf = (error: unknown): void => warn(error instanceof Error ? error.message : String(error));

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map((notice) => (
        <div key={notice.id} class={`notice ${notice.kind}`}>
          <span>{notice.message}</span>
          {notice.action && (
            <button
              class="small"
              data-testid="notice-action"
              onClick={() => {
                dismiss(notice.id);
                notice.action?.run();
              }}
            >
              {notice.action.label}
            </button>
          )}
          <button class="quiet square" aria-label={text.general.dismiss} onClick={() => dismiss(notice.id)}>
            <CloseIcon />
          </button>
        </div>
      ))}
    </div>
  );
}
