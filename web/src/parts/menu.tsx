// Menus by the WAI-ARIA menu pattern: arrows move, letters jump, Enter chooses, Esc and a click outside close.
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

export interface MenuItem {
  label: string;
  action: () => void;
  /** Why it cannot be chosen now: shown as its title. */
  disabledReason?: string | undefined;
  danger?: boolean;
  separated?: boolean;
  testid?: string;
}

interface OpenMenu {
  label: string;
  items: readonly MenuItem[];
  x: number;
  y: number;
  opener: HTMLElement | null;
}

const openMenu = signal<OpenMenu | null>(null);

/** At a point, or below an element. */
export function showMenu(
  label: string,
  items: readonly MenuItem[],
  at: { x: number; y: number } | HTMLElement,
): void {
  const focused = document.activeElement;
  const opener = at instanceof HTMLElement ? at : focused instanceof HTMLElement ? focused : null;
  let point: { x: number; y: number };
  if (at instanceof HTMLElement) {
    const box = at.getBoundingClientRect();
    const rightToLeft = getComputedStyle(at).direction === "rtl";
    point = { x: rightToLeft ? box.right : box.left, y: box.bottom + 4 };
  } else {
    point = at;
  }
  openMenu.value = { label, items, ...point, opener };
}

function close(menu: OpenMenu): void {
  openMenu.value = null;
  if (menu.opener?.isConnected) menu.opener.focus();
}

export function MenuHost() {
  const menu = openMenu.value;
  return menu ? <Menu key={`${menu.x}:${menu.y}:${menu.label}`} menu={menu} /> : null;
}

function Menu({ menu }: { menu: OpenMenu }) {
  const element = useRef<HTMLDivElement>(null);
  const buttons = () => [...(element.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
  useLayoutEffect(() => {
    const host = element.current;
    if (!host) return;
    const box = host.getBoundingClientRect();
    host.style.left = `${Math.max(4, Math.min(menu.x, innerWidth - box.width - 4))}px`;
    host.style.top = `${Math.max(4, Math.min(menu.y, innerHeight - box.height - 4))}px`;
    buttons()[0]?.focus();
  }, []);
  useEffect(() => {
    const outside = (event: Event) => {
      if (!element.current?.contains(event.target as Node)) openMenu.value = null;
    };
    addEventListener("pointerdown", outside, true);
    addEventListener("blur", outside);
    return () => {
      removeEventListener("pointerdown", outside, true);
      removeEventListener("blur", outside);
    };
  }, []);

  const choose = (item: MenuItem) => {
    if (item.disabledReason) return;
    close(menu);
    item.action();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const all = buttons();
    const now = all.indexOf(document.activeElement as HTMLElement);
    const target = menuTarget(event.key, now, all);
    if (event.key === "Escape" || event.key === "Tab") close(menu);
    else if (target) target.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div ref={element} class="menu" role="menu" aria-label={menu.label} onKeyDown={onKeyDown}>
      {menu.items.map((item) => (
        <button
          key={item.label}
          role="menuitem"
          tabIndex={-1}
          class={`menu-item ${item.danger ? "danger-text" : ""} ${item.separated ? "separated" : ""}`}
          aria-disabled={item.disabledReason ? "true" : undefined}
          title={item.disabledReason}
          data-testid={item.testid}
          onClick={() => choose(item)}
        >
          {item.label}
        </button>
      ))}
    </div>
  );
}

function menuTarget(key: string, now: number, all: HTMLElement[]): HTMLElement | undefined {
  if (key === "ArrowDown") return all[(now + 1) % all.length];
  if (key === "ArrowUp") return all[(now - 1 + all.length) % all.length];
  if (key === "Home") return all[0];
  if (key === "End") return all.at(-1);
  if (key.length !== 1 || key === " ") return undefined;
  const after = [...all.slice(now + 1), ...all.slice(0, now + 1)];
  return after.find((item) => item.textContent.toLowerCase().startsWith(key.toLowerCase()));
}
