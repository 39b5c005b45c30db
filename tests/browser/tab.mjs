// What the tests share: a tab of the browser that tells what it got, numbers, publishing by the clock.

import { setTimeout as pause } from 'node:timers/promises'
import { startFront } from './front.mjs'
import { shippedConfiguration, startGateway } from './gateway.mjs'
import { Inbox } from './inbox.mjs'

export const numbers = (count, from = 0) => Array.from({ length: count }, (_, n) => n + from)

/**
 * A tab with the page in it, and an inbox for each function that the page calls. With `held`, the path of a request, it
 * is there as soon as the head of that request's answer is.
 */
export async function open({ context, front }, page, names = ['handled'], held = undefined) {
  const tab = await context.newPage()
  const inboxes = await Promise.all(names.map((name) => Inbox.of(tab, name)))
  const head = held && tab.waitForResponse((response) => new URL(response.url()).pathname === held)
  await tab.goto(front.origin + page, { waitUntil: 'commit' })
  await (head ?? tab.waitForLoadState('domcontentloaded'))
  return [tab, ...inboxes]
}

/** The same test on the shipped configuration. */
export async function shipped(t) {
  return apart(t, await shippedConfiguration())
}

/** The same test with a gateway of its own, and a front before it. */
export async function apart(t, configuration) {
  const front = await startFront()
  t.after(front.stop)
  const gateway = await startGateway(configuration)
  t.after(gateway.stop)
  front.gateway = gateway.port
  return { ...t, front, gateway }
}

/** A tab whose page comes from the gateway itself, with no front between: its scripts run where there is no page. */
export async function openStraight({ context, gateway }, scripts, held) {
  const tab = await context.newPage()
  const origin = `http://127.0.0.1:${gateway.port}`
  await tab.goto(`${origin}/no-page`)
  const head = tab.waitForResponse((response) => new URL(response.url()).pathname === held)
  for (const path of scripts) await tab.addScriptTag({ path: new URL(path, import.meta.url).pathname })
  await head
  return tab
}

/**
 * Calls `publish(n)` for so many n, so many a second, and is not late for long if one of them was. Returns how many a second
 * they were in the end.
 */
export async function atRate(count, aSecond, publish) {
  const begun = performance.now()
  for (const n of numbers(count)) {
    const early = begun + n * 1000 / aSecond - performance.now()
    if (early > 0) await pause(early)
    await publish(n)
  }
  return count * 1000 / (performance.now() - begun)
}
