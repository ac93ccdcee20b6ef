import { useId, type ComponentProps, type ReactNode } from "react";

interface Props extends ComponentProps<"input"> {
  readonly label: string;
  readonly hint?: string;
  readonly problem?: string;
}

/** A labelled line of text, with a sentence below it and, when there is one, what is wrong. */
export function TextField({ label, hint, problem, className = "", ...rest }: Props): ReactNode {
  const id = useId();
  const told = [hint === undefined ? null : `${id}-hint`, problem === undefined ? null : `${id}-problem`].filter(part => part !== null).join(" ");
  return (
    <div className={`field ${className}`}>
      <label htmlFor={id}>{label}</label>
      <input {...rest} id={id} aria-describedby={told || undefined} aria-invalid={problem !== undefined} />
      {hint !== undefined && <p id={`${id}-hint`} className="muted small">{hint}</p>}
      {problem !== undefined && <p id={`${id}-problem`} className="bad small" role="alert">{problem}</p>}
    </div>
  );
}
