// What a page has told the test, and a way to wait for more of it.

const LIMIT = 30_000

export class Inbox {
  items = []
  #waiting

  /** The page may call `name(item)` from now on. */
  static async of(page, name) {
    const inbox = new Inbox()
    await page.exposeFunction(name, (item) => inbox.put(item))
    return inbox
  }

  put(item) {
    this.items.push(item)
    this.#waiting?.()
  }

  /** Everything the page has told, as soon as it is `count` items or more. */
  async until(count) {
    let limit
    const late = new Promise((_, reject) => {
      limit = setTimeout(() => reject(Error(`${this.items.length} of ${count} items after ${LIMIT / 1000} s`)), LIMIT)
    })
    try {
      while (this.items.length < count) {
        await Promise.race([late, new Promise((resolve) => { this.#waiting = resolve })])
      }
    } finally {
      clearTimeout(limit)
    }
    return this.items
  }
}
