// What a person chose for this browser: colours, text size, wrapping. Kept in local storage, applied to <html> as
// attributes and variables that the style sheets use.
import { effect, signal } from "@preact/signals";
import { isRecord, recall, remember } from "../parts/storage";

export const themes = ["system", "light", "dark", "contrast"] as const;
export type Theme = (typeof themes)[number];
export const fontSizes = { smallest: 10, largest: 32, step: 2 };

export interface Settings {
  theme: Theme;
  fontSize: number;
  wrap: boolean;
  screenReader: boolean;
}

const key = "carrel:settings";
const defaults: Settings = { theme: "system", fontSize: 15, wrap: false, screenReader: false };

function load(): Settings {
  const stored = recall(key, isRecord) ?? {};
  const theme = themes.find((name) => name === stored.theme) ?? defaults.theme;
  const size = typeof stored.fontSize === "number" ? stored.fontSize : defaults.fontSize;
  return {
    theme,
    fontSize: Math.min(fontSizes.largest, Math.max(fontSizes.smallest, size)),
    wrap: stored.wrap === true,
    screenReader: stored.screenReader === true,
  };
}

export const settings = signal(load());
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
const dark = signal(systemIsDark.matches);
systemIsDark.addEventListener("change", () => (dark.value = systemIsDark.matches));

export function change(changes: Partial<Settings>): void {
  settings.value = { ...settings.value, ...changes };
  remember(key, settings.value);
}

export const resolvedTheme = (): Exclude<Theme, "system"> => {
  const { theme } = settings.value;
  return theme === "system" ? (dark.value ? "dark" : "light") : theme;
};

effect(() => {
  const root = document.documentElement;
  root.dataset.theme = resolvedTheme();
  root.style.setProperty("--code-size", `${settings.value.fontSize}px`);
});
