/** Performs what formation.ts decides: one event after the other, each effect before the next, what is to be durable before it is said. */
import type { Store } from '../storage/store.js';
import type { Configuration, NodeDescription } from './configuration.js';
import type { EventLog } from './events.js';
import { decodeFormationDurable, decodeFormationMessage, encodeFormationDurable, encodeFormationMessage } from './formation-codec.js';
import {
  beginFormation,
  formationStatus,
  hello,
  step,
  type FormationEffect,
  type FormationEvent,
  type FormationMessage,
  type FormationSettings,
  type FormationState,
} from './formation.js';
import type { Peer } from './peer.js';
import type { Peers } from './peers.js';
import type { Turn } from './turn.js';

const formationFact = 'formation';

export interface FormationDriverOptions {
  readonly settings: FormationSettings;
  readonly self: NodeDescription;
  readonly store: Store;
  readonly turn: Turn;
  readonly peers: Peers;
  readonly log: EventLog;
  /** The configuration is known. `acceptedHere`: this directory took part in its birth, rather than having been emptied since. */
  readonly formed: (configuration: Configuration, acceptedHere: boolean) => void;
  readonly failed: (error: Error) => void;
}

export class FormationDriver {
  private state: FormationState | undefined;
  private readonly events: FormationEvent[] = [];
  private effects: FormationEffect[] = [];
  private persisting = false;
  private lastRefusal = '';

  constructor(private readonly options: FormationDriverOptions) {}

  begin(): void {
    const { settings, self, store, failed } = this.options;
    try {
      const fact = store.fact(formationFact);
      const { clusterName, initialNodes, partitions, replicas } = settings;
      const first = beginFormation(
        { clusterName, initialNodes, partitions, replicas },
        self,
        fact === undefined ? {} : decodeFormationDurable(fact),
      );
      this.state = first.state;
      this.effects.push(...first.effects);
    } catch (error) {
      return failed(error instanceof Error ? error : new Error(String(error)));
    }
    this.perform();
    this.feed({ kind: 'tick' });
  }

  get status(): string {
    return this.state === undefined ? 'not begun' : formationStatus(this.state);
  }

  linkOpened(peer: Peer): void {
    if (this.state !== undefined) this.send(peer, hello(this.state));
  }

  linkBroken(peer: Peer): void {
    this.feed({ kind: 'lost', nodeId: peer.nodeId });
  }

  /** A peer's message, borrowed. A malformed one is logged and ignored. */
  received(peer: Peer, bytes: Buffer): void {
    try {
      this.feed({ kind: 'received', from: peer.nodeId, message: decodeFormationMessage(bytes) });
    } catch (error) {
      this.options.log('warn', `node '${peer.nodeId}' says what cannot be understood: ${String(error)}`, {
        event: 'peer-not-understood',
        peer: peer.nodeId,
      });
    }
  }

  tick(): void {
    this.feed({ kind: 'tick' });
  }

  private feed(event: FormationEvent): void {
    this.events.push(event);
    this.perform();
  }

  private perform(): void {
    while (!this.persisting && this.state !== undefined) {
      const effect = this.effects.shift();
      if (effect !== undefined) {
        this.performOne(effect);
        continue;
      }
      const event = this.events.shift();
      if (event === undefined) return;
      const { state, effects } = step(this.state, event);
      this.state = state;
      this.effects = [...effects];
    }
  }

  private performOne(effect: FormationEffect): void {
    const { store, turn, peers, log, formed } = this.options;
    switch (effect.kind) {
      case 'persist':
        this.persisting = true;
        store.setFact(formationFact, encodeFormationDurable(effect.durable));
        turn.whenWritten(() => {
          this.persisting = false;
          this.perform();
        });
        return;
      case 'send': {
        const peer = peers.get(effect.to);
        if (peer !== undefined) this.send(peer, effect.message);
        return;
      }
      case 'greet':
        for (const peer of peers.all()) this.send(peer, effect.message);
        return;
      case 'connect':
        peers.meet(effect.node);
        return;
      case 'disconnect':
        if (effect.reason !== this.lastRefusal)
          log('warn', `node '${effect.nodeId}' is not of this cluster: ${effect.reason}`, { event: 'peer-refused', peer: effect.nodeId });
        this.lastRefusal = effect.reason;
        peers.forget(effect.nodeId);
        return;
      case 'formed':
        formed(effect.configuration, this.state?.durable.accepted !== undefined);
    }
  }

  private send(peer: Peer, message: FormationMessage): void {
    if (peer.link.isOpen) peer.link.say({ formation: [encodeFormationMessage(message)] });
  }
}
