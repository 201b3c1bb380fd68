/** The calls of the control API, each a method. */

import { randomUUID } from "node:crypto";

import { Connection, REMOVE_DEADLINE_MS, SLOW_DEADLINE_MS } from "./connection.js";
import { LanspreadError } from "./errors.js";
import { type EventOptions, eventsOf } from "./event_stream.js";
import { DOWNLOADS, follow, VERIFICATIONS } from "./follow.js";
import type { WatchEventsResponse } from "./generated/lanspread/peer/v1/events.js";
import * as api from "./generated/lanspread/peer/v1/peer_service.js";
import type {
  Download,
  Finding,
  Game,
  GameFile,
  Peer,
  Settings,
  Staging,
  Status,
  Verification,
} from "./generated/lanspread/peer/v1/types.js";
import { itemsOf } from "./pages.js";
import { readRuntimeFile } from "./runtime_file.js";
import { type SettingsChanges, settingsRequest } from "./settings.js";

const { PeerServiceService: service } = api;

export interface AddressOptions {
  /** In PEM: only a sidecar that has exactly this one is talked to; default: one without TLS. */
  tlsCertificate?: string;
}

export interface PageOptions {
  /** How many the sidecar sends at a time; default: its own choice. */
  pageSize?: number;
}

export interface VariantOptions {
  /** The variant; default: the one that a download takes by itself. */
  contentId?: string;
}

export interface DownloadOptions extends VariantOptions {
  /** The files to download; default: all. */
  paths?: readonly string[];
  /** With the same id, a download starts only once; default: a random one. */
  requestId?: string;
}

export interface VerifyOptions {
  /** Whether what is found becomes the game's content; default: no. */
  reseal?: boolean;
  /** With the same id, a verification starts only once; default: a random one. */
  requestId?: string;
}

export interface RemoveOptions {
  /** Whether the installed content, `local/`, goes too; default: no. */
  removeInstalled?: boolean;
}

/** The sidecar that runs with this state folder; default: this user's. */
export async function connect({ stateDir }: { stateDir?: string } = {}): Promise<Client> {
  const { address, token, tlsCertificate, instanceId } = await readRuntimeFile(stateDir);
  const isRunning = async () => {
    try {
      return (await readRuntimeFile(stateDir)).instanceId === instanceId;
    } catch {
      return false;
    }
  };
  return new Client(new Connection(address, token, tlsCertificate), isRunning);
}

/** A connection to one sidecar; the caller must `close` it. Every method throws LanspreadError. */
export class Client {
  readonly #connection: Connection;
  readonly #isRunning: () => Promise<boolean>;

  /** `isRunning` tells whether a sidecar that does not answer is worth waiting for. */
  constructor(connection: Connection, isRunning: () => Promise<boolean>) {
    this.#connection = connection;
    this.#isRunning = isRunning;
  }

  /**
   * The sidecar at this gRPC target, with the token that it takes.
   *
   * Throws TLS_REQUIRED without a certificate for an address beyond this machine.
   */
  static at(address: string, token: string, { tlsCertificate = "" }: AddressOptions = {}): Client {
    return new Client(new Connection(address, token, tlsCertificate), async () => true);
  }

  /** Ends the connection and its event streams; the sidecar goes on. */
  close(): void {
    this.#connection.close();
  }

  async setGameDir(gameDir: string): Promise<void> {
    const request = api.SetGameDirRequest.create({ gameDir });
    await this.#connection.call(service.setGameDir, request, SLOW_DEADLINE_MS);
  }

  /** All titles. */
  listGames({ pageSize = 0 }: PageOptions = {}): AsyncGenerator<Game, void> {
    return itemsOf(
      (pageToken) =>
        this.#connection.call(
          service.listGames,
          api.ListGamesRequest.create({ pageSize, pageToken }),
        ),
      (answer) => answer.games,
    );
  }

  /** What the peers have of a game. */
  getGame(gameId: string): Promise<api.GetGameResponse> {
    const request = api.GetGameRequest.create({ gameId });
    return this.#connection.call(service.getGame, request, SLOW_DEADLINE_MS);
  }

  /** All files of a variant. */
  listGameFiles(
    gameId: string,
    { contentId = "", pageSize = 0 }: VariantOptions & PageOptions = {},
  ): AsyncGenerator<GameFile, void> {
    return itemsOf(
      (pageToken) =>
        this.#connection.call(
          service.listGameFiles,
          api.ListGameFilesRequest.create({ gameId, contentId, pageSize, pageToken }),
          SLOW_DEADLINE_MS,
        ),
      (answer) => answer.files,
    );
  }

  /** Starts a download and returns at once. */
  async downloadGameFiles(
    gameId: string,
    { contentId = "", paths, requestId = randomUUID() }: DownloadOptions = {},
  ): Promise<Download> {
    const selection = paths && { paths: [...paths] };
    const request = api.DownloadGameFilesRequest.create({
      gameId,
      contentId,
      selection,
      requestId,
    });
    const answer = await this.#connection.call(
      service.downloadGameFiles,
      request,
      SLOW_DEADLINE_MS,
    );
    return present(answer.download);
  }

  /** Stops a download until `resumeDownload`, over restarts of the sidecar too. */
  async pauseDownload(downloadId: string): Promise<Download> {
    const request = api.PauseDownloadRequest.create({ downloadId });
    const answer = await this.#connection.call(service.pauseDownload, request, SLOW_DEADLINE_MS);
    return present(answer.download);
  }

  /** Lets a paused download go on when its turn comes. */
  async resumeDownload(downloadId: string): Promise<Download> {
    const request = api.ResumeDownloadRequest.create({ downloadId });
    const answer = await this.#connection.call(service.resumeDownload, request, SLOW_DEADLINE_MS);
    return present(answer.download);
  }

  async cancelDownload(downloadId: string): Promise<Download> {
    const request = api.CancelDownloadRequest.create({ downloadId });
    const answer = await this.#connection.call(service.cancelDownload, request, SLOW_DEADLINE_MS);
    return present(answer.download);
  }

  async getDownload(downloadId: string): Promise<Download> {
    const request = api.GetDownloadRequest.create({ downloadId });
    const answer = await this.#connection.call(service.getDownload, request);
    return present(answer.download);
  }

  /** All downloads of this launch and those it goes on with, newest first. */
  listDownloads({ pageSize = 0 }: PageOptions = {}): AsyncGenerator<Download, void> {
    return itemsOf(
      (pageToken) =>
        this.#connection.call(
          service.listDownloads,
          api.ListDownloadsRequest.create({ pageSize, pageToken }),
        ),
      (answer) => answer.downloads,
    );
  }

  /** Begins to read all files of a game again, and returns at once. */
  async verifyGame(
    gameId: string,
    { reseal = false, requestId = randomUUID() }: VerifyOptions = {},
  ): Promise<Verification> {
    const request = api.VerifyGameRequest.create({ gameId, reseal, requestId });
    const answer = await this.#connection.call(service.verifyGame, request);
    return present(answer.verification);
  }

  async cancelVerification(verificationId: string): Promise<Verification> {
    const request = api.CancelVerificationRequest.create({ verificationId });
    const answer = await this.#connection.call(
      service.cancelVerification,
      request,
      SLOW_DEADLINE_MS,
    );
    return present(answer.verification);
  }

  /** All verifications of this launch, newest first. */
  listVerifications({ pageSize = 0 }: PageOptions = {}): AsyncGenerator<Verification, void> {
    return itemsOf(
      (pageToken) =>
        this.#connection.call(
          service.listVerifications,
          api.ListVerificationsRequest.create({ pageSize, pageToken }),
        ),
      (answer) => answer.verifications,
    );
  }

  /** What a verification found, in order of the paths. */
  listFindings(
    verificationId: string,
    { pageSize = 0 }: PageOptions = {},
  ): AsyncGenerator<Finding, void> {
    return itemsOf(
      (pageToken) =>
        this.#connection.call(
          service.listFindings,
          api.ListFindingsRequest.create({ verificationId, pageSize, pageToken }),
        ),
      (answer) => answer.findings,
    );
  }

  /** Deletes the files of a game from the game folder, and returns once that is done. */
  removeGame(
    gameId: string,
    { removeInstalled = false }: RemoveOptions = {},
  ): Promise<api.RemoveGameResponse> {
    const request = api.RemoveGameRequest.create({ gameId, removeInstalled });
    return this.#connection.call(service.removeGame, request, REMOVE_DEADLINE_MS);
  }

  /** All that failed downloads have left on disk. */
  listStagings({ pageSize = 0 }: PageOptions = {}): AsyncGenerator<Staging, void> {
    return itemsOf(
      (pageToken) =>
        this.#connection.call(
          service.listStagings,
          api.ListStagingsRequest.create({ pageSize, pageToken }),
          SLOW_DEADLINE_MS,
        ),
      (answer) => answer.stagings,
    );
  }

  async deleteStaging(name: string): Promise<void> {
    const request = api.DeleteStagingRequest.create({ name });
    await this.#connection.call(service.deleteStaging, request, SLOW_DEADLINE_MS);
  }

  /** All peers that were seen or are blocked. */
  listPeers({ pageSize = 0 }: PageOptions = {}): AsyncGenerator<Peer, void> {
    return itemsOf(
      (pageToken) =>
        this.#connection.call(
          service.listPeers,
          api.ListPeersRequest.create({ pageSize, pageToken }),
        ),
      (answer) => answer.peers,
    );
  }

  /** Connects to the sidecar at `host:port`. */
  async addPeer(address: string): Promise<Peer> {
    const request = api.AddPeerRequest.create({ address });
    const answer = await this.#connection.call(service.addPeer, request, SLOW_DEADLINE_MS);
    return present(answer.peer);
  }

  /** Forgets a peer, until it calls or is discovered. */
  async removePeer(peerId: string): Promise<void> {
    const request = api.RemovePeerRequest.create({ peerId });
    await this.#connection.call(service.removePeer, request);
  }

  async blockPeer(peerId: string): Promise<Peer> {
    const request = api.BlockPeerRequest.create({ peerId });
    const answer = await this.#connection.call(service.blockPeer, request);
    return present(answer.peer);
  }

  async unblockPeer(peerId: string): Promise<Peer> {
    const request = api.UnblockPeerRequest.create({ peerId });
    const answer = await this.#connection.call(service.unblockPeer, request);
    return present(answer.peer);
  }

  /** What is in effect; a rate limit that is unset is unlimited. */
  async getSettings(): Promise<Settings> {
    const answer = await this.#connection.call(
      service.getSettings,
      api.GetSettingsRequest.create(),
    );
    return present(answer.settings);
  }

  /** Changes these for good, null back to the default; all that is in effect then. */
  async updateSettings(changes: SettingsChanges): Promise<Settings> {
    const answer = await this.#connection.call(service.updateSettings, settingsRequest(changes));
    return present(answer.settings);
  }

  async getStatus(): Promise<Status> {
    const answer = await this.#connection.call(service.getStatus, api.GetStatusRequest.create());
    return present(answer.status);
  }

  /** Tells the sidecar to end; it does so after it answered. */
  async shutdown(): Promise<void> {
    await this.#connection.call(service.shutdown, api.ShutdownRequest.create());
  }

  /**
   * What happens, from where `resumeToken` says, else from a snapshot.
   *
   * Ends when the sidecar does, or with `close`. A broken stream goes on by itself. When events
   * were missed all the same, a new snapshot comes: at every `snapshotComplete`, forget what was
   * known before and take the `snapshotItem` messages since the one before it. They come only once
   * the snapshot is whole.
   */
  events(options: EventOptions = {}): AsyncGenerator<WatchEventsResponse, void> {
    return eventsOf(this.#connection, this.#isRunning, options);
  }

  /** The download now and after every change; ends after its final state. */
  followDownload(downloadId: string): AsyncGenerator<Download, void> {
    return follow(DOWNLOADS, downloadId, this.events());
  }

  /** The verification now and after every change; ends after its final state. */
  followVerification(verificationId: string): AsyncGenerator<Verification, void> {
    return follow(VERIFICATIONS, verificationId, this.events());
  }

  /** Starts a download and follows it until its end, which the last one's `state` tells. */
  async *download(gameId: string, options: DownloadOptions = {}): AsyncGenerator<Download, void> {
    const { id } = await this.downloadGameFiles(gameId, options);
    yield* this.followDownload(id);
  }
}

/** A message field that the sidecar always sends. */
function present<Value>(value: Value | undefined): Value {
  if (value === undefined) {
    throw new LanspreadError("ANSWER_INVALID", "the sidecar left out what was asked for");
  }
  return value;
}
