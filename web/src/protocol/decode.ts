// Checks what comes from outside against the generated shapes, so that no later code believes more than was looked at.
// Fields that are not described pass (docs/protocol.md: unknown fields are ignored). Tests: tests/unit/protocol/decode.test.ts.
import {
  ANSWER_SHAPES, EVENT_SHAPES, SHAPES,
  type AnswersByVerb, type Description, type EventsByType, type ServerEvent, type ShapesByName,
} from "./generated";

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isShapeName(name: unknown): name is keyof ShapesByName {
  return typeof name === "string" && name in SHAPES;
}

function isDescription(value: unknown): value is Description {
  return typeof value === "string" || (Array.isArray(value) && typeof value[0] === "string");
}

function fits(described: unknown, value: unknown): boolean {
  if (!isDescription(described)) return false;
  if (typeof described === "string") {
    if (described === "any") return true;
    return described === "null" ? value === null : typeof value === described;
  }
  const [kind, ...rest] = described;
  switch (kind) {
    case "array":
      return Array.isArray(value) && value.every(item => fits(rest[0], item));
    case "record":
      return isRecord(value) && Object.values(value).every(item => fits(rest[0], item));
    case "one":
      return rest.includes(value);
    case "or":
      return rest.some(part => fits(part, value));
    case "ref":
      return isShapeName(rest[0]) && isShape(rest[0], value);
    default:
      return false;
  }
}

export function isShape<N extends keyof ShapesByName>(name: N, value: unknown): value is ShapesByName[N] {
  if (!isRecord(value)) return false;
  return Object.entries(SHAPES[name]).every(([field, described]) => {
    const optional = field.endsWith("?");
    const found = value[optional ? field.slice(0, -1) : field];
    return found === undefined ? optional : fits(described, found);
  });
}

function isEventType(type: unknown): type is keyof EventsByType {
  return typeof type === "string" && type in EVENT_SHAPES;
}

/** "unknown": a type of a newer server, whose `seq` still counts. "malformed": a known type that is not as described. */
export type Decoded =
  | { readonly kind: "event"; readonly event: ServerEvent }
  | { readonly kind: "unknown"; readonly topic: string | null; readonly seq: number | null; readonly prevSeq: number | null }
  | { readonly kind: "malformed"; readonly type: string };

function isEvent(type: keyof EventsByType, value: unknown): value is ServerEvent {
  return isShape(EVENT_SHAPES[type], value);
}

export function decodeFrame(text: string): Decoded {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: "malformed", type: "" };
  }
  return decodeEvent(value);
}

export function decodeEvent(value: unknown): Decoded {
  if (!isRecord(value)) return { kind: "malformed", type: "" };
  const type = value["type"];
  if (!isEventType(type)) {
    const number = (field: string): number | null => (typeof value[field] === "number" ? value[field] : null);
    const topic = value["topic"];
    return { kind: "unknown", topic: typeof topic === "string" ? topic : null, seq: number("seq"), prevSeq: number("prev_seq") };
  }
  return isEvent(type, value) ? { kind: "event", event: value } : { kind: "malformed", type };
}

export function isAnswer<V extends keyof AnswersByVerb>(verb: V, value: unknown): value is AnswersByVerb[V] {
  return isShape(ANSWER_SHAPES[verb], value);
}
