export * from "./generated";
export { decodeEvent, decodeFrame, isAnswer, isRecord, isShape, type Decoded } from "./decode";
