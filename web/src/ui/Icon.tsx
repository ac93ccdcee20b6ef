import type { ReactNode } from "react";

/** Strokes of 1.5 on a 20 px field, in the colour of the text beside them. */
const PATHS = {
  plus: "M10 4v12M4 10h12",
  send: "M10 16V4.5M5 9.5l5-5 5 5",
  search: "M9 15A6 6 0 1 0 9 3a6 6 0 0 0 0 12Zm4.5-1.5L17 17",
  more: "M5 10h.01M10 10h.01M15 10h.01",
  pin: "M7.5 3h5l-.7 5 2.2 2.5H6L8.2 8l-.7-5ZM10 10.5V17",
  trash: "M4 5.5h12M8 5.5V3.5h4v2M5.5 5.5l.7 11h7.6l.7-11",
  pencil: "M4 16l.8-3.4L13 4.4l2.6 2.6-8.2 8.2L4 16Z",
  copy: "M7 7h9v9H7zM4 13V4h9",
  check: "M4 10.5l4 4 8-9",
  up: "M5 12.5l5-5 5 5",
  down: "M5 7.5l5 5 5-5",
  left: "M12.5 5l-5 5 5 5",
  right: "M7.5 5l5 5-5 5",
  close: "M5 5l10 10M15 5L5 15",
  arrowDown: "M10 4v11.5M5 10.5l5 5 5-5",
  sun: "M10 13a3 3 0 1 0 0-6 3 3 0 0 0 0 6Zm0-10.5V4m0 12v1.5M2.5 10H4m12 0h1.5M4.7 4.7l1 1m8.6 8.6 1 1m0-10.6-1 1m-8.6 8.6-1 1",
  moon: "M16 11.5A6.5 6.5 0 0 1 8.5 4a6.5 6.5 0 1 0 7.5 7.5Z",
  screen: "M3 4.5h14v9H3zM7.5 16.5h5",
  chat: "M3.5 4.5h13v9H9l-3.5 3v-3h-2z",
  document: "M5 3h7l3 3v11H5zM12 3v3h3M7.5 10h5M7.5 13h5",
  settings: "M3 6h8m4 0h2M3 14h2m4 0h8M13 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM7 16a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  sidebar: "M3 4h14v12H3zM8 4v12",
  external: "M8 4H4v12h12v-4M11 4h5v5M16 4l-7 7",
  download: "M10 3v10m-4-4 4 4 4-4M4 16.5h12",
  link: "M8.5 11.5a3 3 0 0 0 4.2 0l2.6-2.6a3 3 0 0 0-4.2-4.2L10 5.8m1.5 2.7a3 3 0 0 0-4.2 0l-2.6 2.6a3 3 0 0 0 4.2 4.2l1.1-1.1",
  person: "M10 10a3 3 0 1 0 0-6 3 3 0 0 0 0 6Zm-6 7c.5-3 2.9-5 6-5s5.500 2 6 5",
  warning: "M10 3.500 17.500 16.500h-15zM10 8v4M10 14.300v.01",
  zoomIn: "M9 15A6 6 0 1 0 9 3a6 6 0 0 0 0 12Zm4.500-1.500L17 17M9 6.500v5M6.500 9h5",
  zoomOut: "M9 15A6 6 0 1 0 9 3a6 6 0 0 0 0 12Zm4.500-1.500L17 17M6.500 9h5",
  why: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM8 8.200a2.100 2.100 0 1 1 3 1.900c-.7.35-1 .7-1 1.400M10 13.800v.01",
  refresh: "M15.500 7A6 6 0 1 0 16 10.500M16 3.500V7h-3.500",
} as const;

export type IconName = keyof typeof PATHS | "stop";

export function Icon({ name, size = 20 }: { readonly name: IconName; readonly size?: number }): ReactNode {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      {name === "stop" ? <rect x="5.5" y="5.5" width="9" height="9" rx="1.5" fill="currentColor" stroke="none" /> : <path d={PATHS[name]} />}
    </svg>
  );
}
