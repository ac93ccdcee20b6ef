// The seam between the connection and what carries its frames. Today a WebSocket; SSE and long-poll (R7) become two more
// implementations that send over POST /api/v1/commands.
import { decodeFrame, type Decoded } from "../protocol";

export interface ChannelListener {
  onFrame(frame: Decoded): void;
  /** Once. `code`: null when there was no close frame. */
  onClosed(code: number | null): void;
}

export interface Channel {
  /** False: it is not open (any more), the frame was not taken. */
  send(frame: object): boolean;
  close(): void;
}

export interface Transport {
  open(listener: ChannelListener): Channel;
}

const ABNORMAL = 1006;

export class WebSocketTransport implements Transport {
  readonly #address: string;

  /** `address`: of `/ws/v1`, with its scheme. The session cookie says who is there. */
  constructor(address: string) {
    this.#address = address;
  }

  open(listener: ChannelListener): Channel {
    const socket = new WebSocket(this.#address, ["antiphon.v1"]);
    let over = false;
    const end = (code: number | null): void => {
      if (over) return;
      over = true;
      listener.onClosed(code);
    };
    socket.onmessage = (event: MessageEvent<unknown>) => {
      if (!over && typeof event.data === "string") listener.onFrame(decodeFrame(event.data));
    };
    socket.onclose = event => {
      end(event.code === ABNORMAL || event.code === 1005 ? null : event.code);
    };
    return {
      send(frame) {
        if (over || socket.readyState !== WebSocket.OPEN) return false;
        socket.send(JSON.stringify(frame));
        return true;
      },
      close() {
        socket.close(1000);
        // A dead network never answers the closing handshake: it is over for us now.
        end(null);
      },
    };
  }
}
