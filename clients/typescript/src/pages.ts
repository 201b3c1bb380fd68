/** Lists that come page by page. */

interface Page {
  nextPageToken: string;
}

/** All items of all pages, each page asked for when the one before it is used up. */
export async function* itemsOf<Answer extends Page, Item>(
  ask: (pageToken: string) => Promise<Answer>,
  itemsIn: (answer: Answer) => readonly Item[],
): AsyncGenerator<Item, void, undefined> {
  let pageToken = "";
  do {
    const answer = await ask(pageToken);
    yield* itemsIn(answer);
    pageToken = answer.nextPageToken;
  } while (pageToken);
}
