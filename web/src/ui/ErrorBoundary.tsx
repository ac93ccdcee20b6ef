import { Component, type ReactNode } from "react";
import { Button } from "./Button";

interface Props {
  readonly title: string;
  readonly retryLabel: string;
  readonly children: ReactNode;
  /** When it changes the fault is forgotten: another conversation may be fine. */
  readonly resetKey?: string;
}

interface State {
  readonly fault: string | null;
  readonly resetKey: string | undefined;
}

/** One around each feature: a defect in it leaves the rest of the page at work, says so, and can be tried again. */
export class ErrorBoundary extends Component<Props, State> {
  override state: State = { fault: null, resetKey: this.props.resetKey };

  static getDerivedStateFromError(problem: unknown): Partial<State> {
    return { fault: problem instanceof Error ? problem.message : String(problem) };
  }

  static getDerivedStateFromProps(props: Props, state: State): Partial<State> | null {
    return props.resetKey === state.resetKey ? null : { fault: null, resetKey: props.resetKey };
  }

  override render(): ReactNode {
    if (this.state.fault === null) return this.props.children;
    return (
      <div className="fault" role="alert">
        <p>{this.props.title}</p>
        <p className="muted">{this.state.fault}</p>
        <Button icon="refresh" onClick={() => this.setState({ fault: null })}>{this.props.retryLabel}</Button>
      </div>
    );
  }
}
