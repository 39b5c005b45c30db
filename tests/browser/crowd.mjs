// Hundreds of connections of browsers that listen to a room; each tells what comes and what goes wrong.
//
// A profile of Chromium has at most 6 connections to a host and 256 in all, and 255 WebSockets. So there are several
// profiles, each with one tab whose frames are pages of many hosts of one site: they share a process and a session.

import { numbers } from './tab.mjs'

// Browsers take every name below this one for their own machine.
const SITE = 'site.localhost'
const PROFILES = 2
const HOSTS = 32
/** What the page of a host has, by the way; all but the WebSockets count among the 6. */
const EACH = { events: 2, polls: 2, frame: 1, socket: 3 }
const PATIENCE = { timeout: 60_000, polling: 50 }

/** Puts a page of each host into the tab. */
function frames(origins) {
  const load = (origin) => new Promise((resolve) => {
    const frame = document.createElement('iframe')
    Object.assign(frame, { src: origin, onload: resolve })
    document.body.append(frame)
  })
  return Promise.all(origins.map(load))
}

/** Listens in a page; what comes, and what goes wrong, is in `held`. It is done when all are open that tell when they are. */
async function listen({ room, each }) {
  const begin = {
    events: (url, { got, wrong }) => new Promise((onopen) => {
      const onmessage = ({ data }) => got.push(JSON.parse(data).n)
      Object.assign(new EventSource(url), { onopen, onmessage, onerror: () => wrong.push('error') })
    }),
    socket: (url, { got, wrong }) => new Promise((onopen) => {
      const [onmessage, onclose] = [({ data }) => got.push(JSON.parse(data).n), () => wrong.push('close')]
      Object.assign(new WebSocket(`ws://${location.host}${url}`), { onopen, onmessage, onclose, onerror: onclose })
    }),
    polls: (url, { got, wrong }) => new Promise((resolve) => {
      const ask = async () => {
        const answer = await fetch(url)
        if (answer.status !== 200) throw Error(`status ${answer.status}`)
        resolve()
        got.push((await answer.json()).n)
        await ask()
      }
      ask().catch((error) => wrong.push(error.message))
    }),
    frame: (url, { got, wrong }) => {
      window.handle = (message) => got.push(message.n)
      const frame = document.createElement('iframe')
      // It is loaded when its answer has come to an end.
      Object.assign(frame, { src: url, onload: () => wrong.push('load') })
      document.body.append(frame)
    },
  }
  window.held = []
  const opening = Object.entries(each).flatMap(([way, count]) => Array.from({ length: count }, (_, n) => {
    const one = { way, got: [], wrong: [] }
    held.push(one)
    // Polls of one URL have their tag in common.
    return begin[way](`/rooms/${room}/${way === 'frame' ? 'frame' : 'listen'}/?${way}=${n}`, one)
  }))
  await Promise.all(opening)
}

/** A profile with all that it holds: the tab, which has connections to spare, and the pages in it. */
async function profile(t, room) {
  const context = await t.context.browser().newContext()
  t.after(() => context.close())
  const tab = await context.newPage()
  const origin = (name) => `http://${name}:${t.gateway.port}/`
  await tab.goto(`${origin(SITE)}enter/ann/`)
  const session = (await context.cookies()).filter(({ name }) => name === 'sessionid')
  await context.addCookies(session.map((cookie) => ({ ...cookie, domain: `.${SITE}` })))
  await tab.evaluate(frames, numbers(HOSTS).map((n) => origin(`n${n}.${SITE}`)))
  const pages = tab.frames().slice(1)
  // One after the other: the application takes only so many at a time.
  for (const page of pages) await page.evaluate(listen, { room, each: EACH })
  return { tab, pages }
}

/** All who listen, and what can be asked of them. */
export class Crowd {
  size = PROFILES * HOSTS * Object.values(EACH).reduce((sum, count) => sum + count)
  polls = PROFILES * HOSTS * EACH.polls

  /** With a gateway of its own at `t.gateway`, before a site where one can enter. */
  static async of(t, room) {
    const all = new Crowd()
    const profiles = await Promise.all(numbers(PROFILES).map(() => profile(t, room)))
    all.tab = profiles[0].tab
    all.pages = profiles.flatMap(({ pages }) => pages)
    return all
  }

  /** Waits until each has so many messages, or another number of those who poll. */
  async heard(count, polled = count) {
    const done = ([count, polled]) => held.every(({ way, got }) => got.length >= (way === 'polls' ? polled : count))
    await Promise.all(this.pages.map((page) => page.waitForFunction(done, [count, polled], PATIENCE)))
  }

  /** What each has got, and what went wrong. */
  async told() {
    return (await Promise.all(this.pages.map((page) => page.evaluate(() => held)))).flat()
  }
}
