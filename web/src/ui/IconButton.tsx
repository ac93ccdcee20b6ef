import type { ComponentProps, ReactNode } from "react";
import { Icon, type IconName } from "./Icon";

interface Props extends Omit<ComponentProps<"button">, "children"> {
  readonly icon: IconName;
  /** Read aloud, and shown on hover. */
  readonly label: string;
}

export function IconButton({ icon, label, className = "", type = "button", ...rest }: Props): ReactNode {
  return (
    <button {...rest} type={type} className={`icon-button ${className}`} aria-label={label} title={rest.title ?? label}>
      <Icon name={icon} />
    </button>
  );
}
