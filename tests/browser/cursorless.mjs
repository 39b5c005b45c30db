// The loop of a textbook, which sends no message id: every tab must get everything. On the shipped configuration.

import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { atRate, numbers, openStraight, shipped } from './tab.mjs'

const LIMIT = 180_000
// Of a thousand messages that several tabs should have, one may be missed: a browser keeps one tag for all of them.
const MISSED = 1 / 1000

// Where one more tab is opened meanwhile; a tab that is not counted would miss every third message from then on.
const MISSED_WHEN_OPENED = 1 / 20

const SCRIPTS = ['node_modules/jquery/dist/jquery.js', 'pages/cursorless.js']

const form = (message) => JSON.stringify({ messages: [message] })

/** Publishes so many messages, so many a second, to a number of tabs; what each of them got. */
async function inTabs(t, tabs, count, aSecond) {
  const site = await shipped(t)
  const pages = []
  for (const _ of numbers(tabs)) {
    pages.push(await openTab(site))
  }
  await publishAll(site, count, aSecond)
  return allGot(site, pages)
}

const openTab = (site) => openStraight(site, SCRIPTS, '/get_messages/')

async function publishAll(site, count, aSecond) {
  const rate = await atRate(count, aSecond, (n) => site.gateway.publish('5', form(n)))
  assert.ok(rate > aSecond * 0.8, `only ${rate} a second were published`)
}

/** Ends it, and what each tab got. */
async function allGot(site, pages) {
  const ended = Promise.all(pages.map((page) => page.waitForFunction(() => got.includes('end'), null, { timeout: LIMIT })))
  let over = false
  ended.catch(() => {}).finally(() => { over = true })
  // More than once, as this message may be the one that is missed.
  while (!over) {
    await site.gateway.publish('5', form('end'))
    await pause(500)
  }
  await ended
  return Promise.all(pages.map((page) => page.evaluate(() => got.filter((message) => message !== 'end'))))
}

/** How many of 0..count a tab has missed, had more than once, and had after a later one. */
function faults(got, count) {
  const inverted = got.filter((n, at) => at > 0 && n < got[at - 1]).length
  const different = new Set(got).size
  return { missed: count - different, doubled: got.length - different, inverted }
}

function report(tabs, count) {
  const all = tabs.map((got) => faults(got, count))
  for (const [n, { missed, doubled, inverted }] of all.entries()) {
    console.log(`   tab ${n + 1} of ${tabs.length}, ${count} messages: ${missed} missed, ${doubled} doubled, ${inverted} inverted`)
  }
  return all
}

export async function cursorless_comet_in_three_tabs_gets_100_messages_at_10_a_second_each(t) {
  for (const found of report(await inTabs(t, 3, 100, 10), 100)) {
    assert.deepEqual(found, { missed: 0, doubled: 0, inverted: 0 })
  }
}

export async function cursorless_comet_in_three_tabs_misses_at_most_one_of_a_thousand_at_50_a_second(t) {
  const all = report(await inTabs(t, 3, 2000, 50), 2000)
  for (const { missed, doubled, inverted } of all) {
    assert.deepEqual({ doubled, inverted }, { doubled: 0, inverted: 0 })
    assert.ok(missed <= 2000 * MISSED, `${missed} missed`)
  }
}

export async function cursorless_comet_in_one_tab_misses_nothing_at_500_a_second(t) {
  assert.deepEqual(report(await inTabs(t, 1, 2000, 500), 2000), [{ missed: 0, doubled: 0, inverted: 0 }])
}

export async function cursorless_comet_in_a_tab_opened_meanwhile_gets_what_follows_and_costs_the_others_next_to_nothing(t) {
  const site = await shipped(t)
  const pages = [await openTab(site), await openTab(site)]
  const published = publishAll(site, 600, 50)
  await pages[0].waitForFunction(() => got.length > 200, null, { timeout: LIMIT })
  pages.push(await openTab(site))
  await published
  const got = await allGot(site, pages)
  const first = got[2][0]
  assert.ok(first > 200 && first < 550, `the late tab begins with ${first}`)
  got[2] = got[2].map((n) => n - first)
  const all = [...report(got.slice(0, 2), 600), ...report(got.slice(2), 600 - first)]
  for (const { missed, doubled, inverted } of all) {
    assert.deepEqual({ doubled, inverted }, { doubled: 0, inverted: 0 })
    assert.ok(missed <= 600 * MISSED_WHEN_OPENED, `${missed} missed`)
  }
}
