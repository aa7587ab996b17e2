// Icons as inline SVG: they take the colour and size of the text beside them and are hidden from screen readers,
// so each stands beside words or in a button that has a label.
import type { ComponentChildren } from "preact";

const line = (children: ComponentChildren) => () => (
  <svg
    class="icon"
    viewBox="0 0 20 20"
    fill="none"
    stroke="currentColor"
    stroke-width="1.6"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
  >
    {children}
  </svg>
);

export const RunIcon = line(
  <path
    d="M6 4.2v11.6a.6.6 0 0 0 .9.5l9.3-5.8a.6.6 0 0 0 0-1L6.9 3.7a.6.6 0 0 0-.9.5z"
    fill="currentColor"
  />,
);
export const StopIcon = line(<rect x="5" y="5" width="10" height="10" rx="1.6" fill="currentColor" />);
export const PromptIcon = line(<path d="m4.5 6 4.2 4-4.2 4M10.5 14.5h5" />);
export const TerminalIcon = line(
  <>
    <rect x="2.5" y="3.5" width="15" height="13" rx="2" />
    <path d="m5.8 7.5 2.6 2.5-2.6 2.5M10.5 12.8h3.5" />
  </>,
);
export const FileIcon = line(
  <path d="M11.5 2.8H6A1.5 1.5 0 0 0 4.5 4.3v11.4A1.5 1.5 0 0 0 6 17.2h8a1.5 1.5 0 0 0 1.5-1.5V6.8zM11.5 2.8v4h4" />,
);
export const PythonIcon = line(
  <>
    <path d="M11.5 2.8H6A1.5 1.5 0 0 0 4.5 4.3v11.4A1.5 1.5 0 0 0 6 17.2h8a1.5 1.5 0 0 0 1.5-1.5V6.8zM11.5 2.8v4h4" />
    <path d="m7.4 9.6 1.8 1.7-1.8 1.7M10.4 13.6h2.2" stroke-width="1.4" />
  </>,
);
export const PictureIcon = line(
  <>
    <rect x="3" y="4" width="14" height="12" rx="1.8" />
    <path d="m4.5 14 3.6-4 2.7 2.8 2-1.8 3 3" />
    <circle cx="12.8" cy="7.6" r=".9" />
  </>,
);
export const FolderIcon = line(
  <path d="M2.8 5.3A1.5 1.5 0 0 1 4.3 3.8h3.2l2 2.2h6.2a1.5 1.5 0 0 1 1.5 1.5v7.2a1.5 1.5 0 0 1-1.5 1.5H4.3a1.5 1.5 0 0 1-1.5-1.5z" />,
);
export const HomeIcon = line(
  <path d="M3.5 9 10 3.5 16.5 9v6.8a1 1 0 0 1-1 1h-11a1 1 0 0 1-1-1zM8 16.6v-4.4h4v4.4" />,
);
export const BookIcon = line(
  <path d="M10 5.2C8.3 4 6 3.6 3.2 3.8v11.4c2.8-.2 5.1.3 6.8 1.5 1.7-1.2 4-1.7 6.8-1.5V3.8C14 3.6 11.7 4 10 5.2zm0 0v11.3" />,
);
export const TaskIcon = line(
  <>
    <rect x="4" y="3.8" width="12" height="13.4" rx="1.6" />
    <path d="M7.5 3.8a2.5 1.7 0 0 1 5 0M7 10.4l2.1 2.1L13.2 8.5" />
  </>,
);
export const CheckIcon = line(<path d="m4.5 10.5 3.7 3.7 7.3-8" />);
export const PeopleIcon = line(
  <>
    <circle cx="7.5" cy="7" r="2.7" />
    <path d="M2.5 16.2c.3-3 2.2-4.7 5-4.7s4.7 1.7 5 4.7M12.8 4.6a2.6 2.6 0 0 1 0 4.9M14.4 12c1.8.6 2.9 2 3.1 4.2" />
  </>,
);
export const ChevronIcon = line(<path d="m8 5.5 4.5 4.5L8 14.5" />);
export const LockIcon = line(
  <>
    <rect x="4.8" y="9" width="10.4" height="7.5" rx="1.6" />
    <path d="M7 9V6.7a3 3 0 0 1 6 0V9" />
  </>,
);
export const MoreIcon = line(
  <g fill="currentColor" stroke="none">
    <circle cx="4.5" cy="10" r="1.5" />
    <circle cx="10" cy="10" r="1.5" />
    <circle cx="15.5" cy="10" r="1.5" />
  </g>,
);
export const CloseIcon = line(<path d="m5.5 5.5 9 9m0-9-9 9" />);
export const NewFileIcon = line(
  <path d="M10.5 2.8H6A1.5 1.5 0 0 0 4.5 4.3v11.4A1.5 1.5 0 0 0 6 17.2h8a1.5 1.5 0 0 0 1.5-1.5V9M10 8.2v5M7.5 10.7h5M15 2.5v4M13 4.5h4" />,
);
export const NewFolderIcon = line(
  <path d="M17.2 10V7.5A1.5 1.5 0 0 0 15.7 6H9.5l-2-2.2H4.3a1.5 1.5 0 0 0-1.5 1.5v9.4a1.5 1.5 0 0 0 1.5 1.5H10M14.5 12v5M12 14.5h5" />,
);
export const UploadIcon = line(
  <path d="M10 13V3.8M6.3 7.3 10 3.6l3.7 3.7M3.5 13v2.3a1.5 1.5 0 0 0 1.5 1.5h10a1.5 1.5 0 0 0 1.5-1.5V13" />,
);
export const SettingsIcon = line(<path d="M3 6h6.5M13.5 6H17M3 14h3.5M10.5 14H17M11.5 4v4M8.5 12v4" />);
export const HelpIcon = line(
  <>
    <circle cx="10" cy="10" r="7.2" />
    <path d="M7.8 7.9c.2-1.3 1.1-2 2.3-2 1.3 0 2.2.8 2.2 1.9 0 1.8-2.3 1.8-2.3 3.6M10 14.1v.1" />
  </>,
);
export const SidebarIcon = line(
  <>
    <rect x="2.8" y="3.8" width="14.4" height="12.4" rx="1.8" />
    <path d="M7.8 3.8v12.4" />
  </>,
);
export const ClearIcon = line(<path d="M5 6h10M8 6V4.2h4V6M6.2 6l.7 10.2h6.2L13.8 6" />);
export const ClockIcon = line(
  <>
    <circle cx="10" cy="10" r="7" />
    <path d="M10 6v4.3l2.7 1.7" />
  </>,
);
export const HistoryIcon = line(<path d="M3.4 8.2A7 7 0 1 1 3 10.4M3 4v4.3h4.3M10 6v4.3l2.7 1.7" />);
export const PauseIcon = line(<path d="M7 4.5v11M13 4.5v11" stroke-width="2.4" />);
export const KeyboardIcon = line(
  <>
    <rect x="2.5" y="5" width="15" height="10" rx="1.8" />
    <path d="M5.5 8h.1M8.5 8h.1M11.5 8h.1M14.5 8h.1M6.5 12h7" />
  </>,
);
export const EyeIcon = line(
  <>
    <path d="M2.5 10S5 5 10 5s7.5 5 7.5 5-2.5 5-7.5 5-7.5-5-7.5-5z" />
    <circle cx="10" cy="10" r="2.2" />
  </>,
);
export const ExpandIcon = line(<path d="M4 12v4h4M16 8V4h-4M4 16l5-5M16 4l-5 5" />);

export const WarningIcon = line(<path d="M10 3.5 17.5 16.5h-15zM10 8.5v3.5M10 14.1v.1" />);
export const OfflineIcon = line(
  <path d="M3.5 8.5a9.5 9.5 0 0 1 4-2.2M16.5 8.5a9.5 9.5 0 0 0-4.5-2.3M6 11.5a6 6 0 0 1 2.5-1.5M14 11.5a6 6 0 0 0-1-.7M10 15.1v.1M4 3.5l12 13" />,
);

export const Logo = () => (
  <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="8" fill="var(--logo)" />
    <path d="M7 24V8.5h3V19h12V8.5h3V24h-3v-2.5H10V24z" fill="#fff" />
    <path
      d="m13 9 4 3.25-4 3.25"
      fill="none"
      stroke="#ffd479"
      stroke-width="2.4"
      stroke-linecap="round"
      stroke-linejoin="round"
    />
  </svg>
);
