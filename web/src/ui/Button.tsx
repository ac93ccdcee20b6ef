import type { ComponentProps, ReactNode } from "react";
import { Icon, type IconName } from "./Icon";

interface Props extends ComponentProps<"button"> {
  /** `action`: the one thing to do here, in ink. `plain`: everything else. `bad`: what cannot be taken back. */
  readonly kind?: "action" | "plain" | "quiet" | "bad";
  readonly icon?: IconName;
}

export function Button({ kind = "plain", icon, children, className = "", type = "button", ...rest }: Props): ReactNode {
  return (
    <button {...rest} type={type} className={`button button-${kind} ${className}`}>
      {icon !== undefined && <Icon name={icon} />}
      {children}
    </button>
  );
}
