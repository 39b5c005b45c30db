// A site of Django behind the gateway: pages go through, those who are logged in are handed over, strangers are not.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Crowd } from './crowd.mjs'
import { startGateway } from './gateway.mjs'
import { numbers } from './tab.mjs'

const PYTHON = process.env.PYTHON ?? 'python3'
const FOUR = ['events', 'socket', 'polls', 'frame']
// What a page reads, or asks for, by itself; polls that do not wait are nobody's seats.
const OTHERS = ['raw', 'chunked', 'multipart', 'script', 'poll']

async function startApplication(folder, port = 0) {
  const args = [new URL('django_app.py', import.meta.url).pathname, folder, String(port)]
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', PYTHON, '-W', 'ignore', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const [line] = await Promise.race([once(child.stdout, 'data'), exited.then(() => { throw Error('no application') })])
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  return { port: Number(line), kill }
}

async function site(t) {
  const folder = await mkdtemp(join(tmpdir(), 'django-'))
  t.after(() => rm(folder, { recursive: true }))
  let application = await startApplication(folder)
  t.after(() => application.kill())
  const configuration = await readFile(new URL('django.toml', import.meta.url), 'utf8')
  const gateway = await startGateway(configuration.replaceAll('$port', application.port))
  t.after(gateway.stop)
  const restart = async () => {
    application = await startApplication(folder, application.port)
  }
  return { ...t, gateway, origin: `http://127.0.0.1:${gateway.port}`, kill: () => application.kill(), restart }
}

/** Listens in a page in all four ways; what comes is in `got`, by the way. */
function listen(room) {
  window.got = { events: [], socket: [], polls: [], frame: [] }
  const take = (way) => (message) => got[way].push(message.n)
  new EventSource(`/rooms/${room}/listen/`).onmessage = (event) => take('events')(JSON.parse(event.data))
  new WebSocket(`ws://${location.host}/rooms/${room}/listen/`).onmessage = (event) => take('socket')(JSON.parse(event.data))
  window.handle = take('frame')
  const frame = document.createElement('iframe')
  frame.src = `/rooms/${room}/frame/`
  document.body.append(frame)
  const poll = async () => {
    take('polls')(await (await fetch(`/rooms/${room}/listen/`)).json())
    poll()
  }
  poll()
}

/** The same in the ways that need a page to read a stream, to load scripts or to keep a clock. */
function listenOtherwise(room) {
  window.got = { raw: [], chunked: [], multipart: [], script: [], poll: [] }
  const stream = async (way, path, headers = {}) => {
    const reader = (await fetch(`/rooms/${room}/${path}/`, { headers })).body.pipeThrough(new TextDecoderStream()).getReader()
    for (let text = ''; ;) {
      const { value, done } = await reader.read()
      if (done) return
      text += value
      got[way] = Array.from(text.matchAll(/{"n":(\d+)}/g), (found) => Number(found[1]))
    }
  }
  stream('raw', 'raw')
  stream('chunked', 'chunked')
  stream('multipart', 'listen', { Accept: 'multipart/mixed' })
  // The browser itself says where the last one ended: it has the tags of the same URL.
  const load = () => {
    const script = document.createElement('script')
    window.took = ({ messages }) => {
      got.script.push(...messages.map(({ text }) => JSON.parse(text).n).reverse())
      script.remove()
      load()
    }
    script.src = `/rooms/${room}/script/?callback=took`
    document.body.append(script)
  }
  load()
  const poll = async (since) => {
    const { messages } = await (await fetch(`/rooms/${room}/poll/?since=${since}`)).json()
    got.poll.push(...messages.map(({ text }) => JSON.parse(text).n).reverse())
    setTimeout(poll, 50, messages[0]?.id ?? since)
  }
  poll('0:0')
}

/** Publishes through the application, with the token that it asks for. */
async function say({ room, n }) {
  const token = document.cookie.match(/csrftoken=(\w+)/)[1]
  const headers = { 'X-CSRFToken': token, 'Content-Type': 'application/json' }
  return (await fetch(`/rooms/${room}/say/`, { method: 'POST', headers, body: JSON.stringify({ n }) })).status
}

const subscribers = (here, room) => new Promise((resolve, reject) => {
  const headers = { Accept: 'application/json' }
  http.get(`${here.origin}/publish/?cid=${room}`, { headers, agent: false }, async (response) => {
    const text = (await response.toArray()).join('')
    resolve(response.statusCode === 200 ? JSON.parse(text).subscribers : 0)
  }).on('error', reject)
})

async function until(what, wanted) {
  const begun = performance.now()
  while (await what() !== wanted) {
    assert.ok(performance.now() - begun < 30_000, 'it takes too long')
    await pause(10)
  }
}

export async function django_hands_over_whoever_is_logged_in_on_every_transport(t) {
  const here = await site(t)
  // A browser has six connections for a site, of which a tab of this kind holds three.
  const other = await here.context.browser().newContext()
  t.after(() => other.close())
  const tabs = [await here.context.newPage(), await other.newPage()]
  for (const tab of tabs) {
    await tab.goto(`${here.origin}/enter/ann/`)
    assert.equal(await tab.textContent('#who'), 'ann')
    await tab.evaluate(listen, 5)
  }
  await until(() => subscribers(here, 5), tabs.length * FOUR.length)
  for (const n of numbers(20)) {
    // One message of a loop without ids may come before the poll that waits for it is counted.
    assert.ok([201, 202].includes(await tabs[n % 2].evaluate(say, { room: 5, n })))
  }
  for (const tab of tabs) {
    await tab.waitForFunction(() => Object.values(got).every((all) => all.length === 20), null, { timeout: 30_000 })
    const got = await tab.evaluate(() => got)
    for (const way of FOUR) assert.deepEqual(got[way], numbers(20), way)
  }
}

export async function django_hands_over_whoever_reads_a_stream_loads_scripts_or_polls(t) {
  const here = await site(t)
  const other = await here.context.browser().newContext()
  t.after(() => other.close())
  const [tab, speaker] = [await here.context.newPage(), await other.newPage()]
  for (const [page, name] of [[tab, 'ann'], [speaker, 'bob']]) await page.goto(`${here.origin}/enter/${name}/`)
  await tab.evaluate(listenOtherwise, 6)
  await until(() => subscribers(here, 6), OTHERS.length - 1)
  for (const n of numbers(20)) {
    assert.ok([201, 202].includes(await speaker.evaluate(say, { room: 6, n })))
  }
  await tab.waitForFunction(() => Object.values(got).every((all) => all.length >= 20), null, { timeout: 30_000 })
  const got = await tab.evaluate(() => got)
  for (const way of OTHERS) assert.deepEqual(got[way], numbers(20), way)
}

export async function django_sends_strangers_away_on_every_transport(t) {
  const here = await site(t)
  const tab = await here.context.newPage()
  await tab.goto(here.origin)
  assert.equal(await tab.textContent('#who'), 'a stranger')
  const found = await tab.evaluate(async () => {
    const status = async (path, options) => {
      const answer = await fetch(path, options)
      return [answer.status, await answer.text()]
    }
    const end = (made, event) => new Promise((resolve) => { made[event] = () => resolve(made.readyState) })
    return {
      poll: await status('/rooms/5/listen/'),
      frame: await status('/rooms/5/frame/'),
      inside: await status('/inside/listen/?cid=5'),
      say: (await status('/rooms/5/say/', { method: 'POST', body: 'x' }))[0],
      header: (await status('/', { headers: { 'X-Accel-Redirect': '/inside/listen/?cid=5' } }))[0],
      events: await end(new EventSource('/rooms/5/listen/'), 'onerror'),
      socket: await end(new WebSocket(`ws://${location.host}/rooms/5/listen/`), 'onclose'),
    }
  })
  assert.deepEqual(found, {
    poll: [403, 'Log in first.'],
    frame: [403, 'Log in first.'],
    inside: [404, 'No such location.'],
    say: 403,
    header: 200,
    events: 2,
    socket: 3,
  })
  assert.equal(await subscribers(here, 5), 0)
}

export async function django_may_be_killed_and_restarted_while_500_connections_of_browsers_hold(t) {
  const here = await site(t)
  const tab = await here.context.newPage()
  await tab.goto(`${here.origin}/enter/ann/`)
  const all = await Crowd.of(here, 7)
  assert.ok(all.size >= 500)
  const publish = (n) => here.gateway.publish('7', JSON.stringify({ n }), { 'Content-Type': 'application/json' })
  const listening = (number) => until(() => subscribers(here, 7), number)
  await listening(all.size)
  await publish(0)
  await all.heard(1)
  await listening(all.size)
  await here.kill()
  const begun = performance.now()
  // Whoever polls asks again after the first of them, and is not told that nobody is there.
  for (const n of [1, 2]) await publish(n)
  const meanwhile = async () => {
    await all.heard(3, 2)
    await listening(all.size - all.polls)
    await here.restart()
  }
  const page = tab.goto(here.origin, { timeout: 60_000 })
  const said = all.tab.evaluate(say, { room: 7, n: 3 })
  const [shown, status] = await Promise.all([page, said, meanwhile()])
  assert.equal(shown.status(), 200)
  assert.equal(await tab.textContent('#who'), 'ann')
  assert.equal(status, 201)
  await all.heard(4)
  await listening(all.size)
  assert.equal(await all.tab.evaluate(say, { room: 7, n: 4 }), 201)
  await all.heard(5)
  await listening(all.size)
  const told = await all.told()
  assert.equal(told.length, all.size)
  for (const { way, got, wrong } of told) {
    assert.deepEqual(got, numbers(5), way)
    assert.deepEqual(wrong, [], way)
  }
  console.log(`# ${all.size} held on for ${Math.round(performance.now() - begun)} ms`)
}
