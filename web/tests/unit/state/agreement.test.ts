// Frame by frame the same as antiphon.protocol.reducer: the fixture holds what Python made of each frame (scripts/generate_web_fixtures.py).
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeEvent, isRecord } from "../../../src/protocol";
import { applyEvent, conversationReducer, emptyTopic, positionOf, type Message } from "../../../src/state";

const scenarios: unknown = JSON.parse(readFileSync(new URL("../../fixtures/frames.json", import.meta.url), "utf8"));

const OURS = new Set(["points", "steps"]);

/** A message as Python keeps it: without what is only ours, and without fields that were never set. */
function known(message: Message): Record<string, unknown> {
  return Object.fromEntries(Object.entries(message).filter(([field, value]: [string, unknown]) => !OURS.has(field) && value !== undefined && value !== null && !(isRecord(value) && Object.keys(value).length === 0)));
}

function trimmed(value: unknown): unknown {
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null && !(isRecord(field) && Object.keys(field).length === 0)));
}

test("the reducers agree with the Python one", () => {
  expect(Array.isArray(scenarios) && scenarios.length).toBeGreaterThan(10);
  if (!Array.isArray(scenarios)) return;
  let compared = 0;
  for (const [number, scenario] of scenarios.entries()) {
    if (!isRecord(scenario) || !Array.isArray(scenario["frames"]) || !Array.isArray(scenario["steps"])) throw new Error("a broken fixture");
    let topic = emptyTopic("session:s", conversationReducer);
    for (const [i, frame] of scenario["frames"].entries()) {
      const decoded = decodeEvent(frame);
      if (decoded.kind !== "event") throw new Error(`frame ${i} of scenario ${number} is ${decoded.kind}`);
      const step = applyEvent(topic, decoded.event, conversationReducer);
      topic = step.topic;
      const expected: unknown = scenario["steps"][i];
      if (!isRecord(expected)) throw new Error("a broken fixture");
      const where = `scenario ${number}, frame ${i}`;
      expect(step.outcome, where).toBe(expected["outcome"]);
      expect(positionOf(topic), where).toEqual(expected["position"]);
      expect(topic.value.hasMore, where).toBe(expected["hasMore"]);
      expect(topic.value.runs, where).toEqual(expected["runs"]);
      expect(topic.value.completed, where).toEqual(expected["completed"]);
      expect(topic.value.messages.map(known), where).toEqual(Array.isArray(expected["messages"]) ? expected["messages"].map(trimmed) : null);
      compared++;
    }
  }
  expect(compared).toBeGreaterThan(150);
});
