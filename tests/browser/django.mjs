// A site of Django behind the gateway: pages go through, those who are logged in are handed over, strangers are not.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startGateway } from './gateway.mjs'
import { numbers } from './tab.mjs'

const PYTHON = process.env.PYTHON ?? 'python3'
const FOUR = ['events', 'socket', 'polls', 'frame']
// What a page reads, or asks for, by itself; polls that do not wait are nobody's seats.
const OTHERS = ['raw', 'chunked', 'multipart', 'script', 'poll']
// Those that hold while the application is gone, by the way.
const HELD = { events: 125, socket: 125, polls: 125, frame: 125 }

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
    window.took = (messages) => {
      got.script.push(...messages.map(({ n }) => n))
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

/** The data of a WebSocket's text frames, each short and whole. */
function* frames(bytes) {
  for (let at = 0; at + 2 <= bytes.length && at + 2 + bytes[at + 1] <= bytes.length; at += 2 + bytes[at + 1]) {
    if (bytes[at] === 0x81) yield bytes.subarray(at + 2, at + 2 + bytes[at + 1]).toString()
  }
}

/** What came by a way, of all the bytes behind the head. */
const READ = {
  events: (bytes) => Array.from(bytes.toString().matchAll(/^data: (.*)\n\n/gm), (found) => found[1]),
  frame: (bytes) => Array.from(bytes.toString().matchAll(/handle\((.*?)\)/g), (found) => found[1]),
  socket: (bytes) => [...frames(bytes)],
}

/** Follows a room with the cookies of a session until it is stopped; what goes wrong is in `wrong`. */
function follow(here, room, cookie, way) {
  const path = `/rooms/${room}/${way === 'frame' ? 'frame' : 'listen'}/`
  const headers = { Cookie: cookie }
  if (way === 'events') headers.Accept = 'text/event-stream'
  if (way === 'socket') {
    Object.assign(headers, { Connection: 'Upgrade', Upgrade: 'websocket', Origin: here.origin })
    Object.assign(headers, { 'Sec-WebSocket-Version': 13, 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' })
  }
  const all = { way, wrong: [], got: () => READ[way](Buffer.concat(chunks)), stop: () => request.destroy() }
  const chunks = []
  const take = (stream) => {
    stream.on('data', (more) => chunks.push(more)).on('error', () => {}).on('close', () => all.wrong.push('closed'))
    return all
  }
  const request = http.request(here.origin + path, { headers, agent: false })
  return new Promise((resolve, reject) => {
    request.on('response', (response) => {
      if (response.statusCode !== 200) reject(Error(`${way} is answered ${response.statusCode}`))
      resolve(take(response))
    })
    request.on('upgrade', (_, socket, first) => {
      chunks.push(first)
      resolve(take(socket))
    })
    request.on('error', (error) => (reject(error), all.wrong.push(error.message))).end()
  })
}

/** Asks again and again, as a page does, on one connection. */
async function poll(here, room, cookie) {
  const [got, agent] = [[], new http.Agent({ keepAlive: true, maxSockets: 1 })]
  const all = { way: 'polls', wrong: [], got: () => got, stop: () => (stopped = true, agent.destroy()) }
  let [stopped, tag] = [false, undefined]
  const ask = () => new Promise((resolve, reject) => {
    const headers = { Cookie: cookie, ...(tag && { 'If-None-Match': tag }) }
    const request = http.get(`${here.origin}/rooms/${room}/listen/`, { headers, agent }, (response) => {
      tag = response.headers.etag
      if (response.statusCode !== 200) reject(Error(`a poll is answered ${response.statusCode}`))
      response.toArray().then((parts) => resolve(got.push(parts.join('').trim())), reject)
    })
    request.on('error', reject)
  })
  const loop = async () => {
    while (!stopped) await ask()
  }
  loop().catch((error) => stopped || all.wrong.push(error.message))
  return all
}

/** The status of what cannot be repeated, which the gateway does not hold back. */
const status = (here) => new Promise((resolve, reject) => {
  const request = http.request(here.origin, { method: 'POST', agent: false }, (response) => {
    response.resume()
    resolve(response.statusCode)
  })
  request.on('error', reject).end()
})

export async function django_may_be_killed_and_restarted_while_500_hold_in_every_way(t) {
  const here = await site(t)
  const tab = await here.context.newPage()
  await tab.goto(`${here.origin}/enter/ann/`)
  const cookie = (await here.context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ')
  const all = []
  for (const [way, number] of Object.entries(HELD)) {
    for (let left = number; left > 0; left -= 25) {
      const begin = () => (way === 'polls' ? poll(here, 7, cookie) : follow(here, 7, cookie, way))
      all.push(...await Promise.all(numbers(25).map(begin)))
    }
  }
  t.after(() => all.forEach(({ stop }) => stop()))
  await until(() => subscribers(here, 7), all.length)
  await here.kill()
  assert.equal(await status(here), 502)
  const begun = performance.now()
  // Whoever polls asks again now, and is not told that nobody is there.
  await here.gateway.publish('7', '"while it is gone"', { 'Content-Type': 'application/json' })
  const page = tab.goto(here.origin)
  await until(() => all.filter(({ got }) => got().length === 1).length, all.length)
  await until(() => subscribers(here, 7), all.length - HELD.polls)
  await here.restart()
  assert.equal((await page).status(), 200)
  assert.equal(await tab.textContent('#who'), 'ann')
  await until(() => subscribers(here, 7), all.length)
  assert.equal(await tab.evaluate(say, { room: 7, n: 1 }), 201)
  const expected = ['"while it is gone"', '{"n":1}']
  for (const { got } of all) await until(() => got().length, expected.length)
  for (const { got, wrong, way } of all) {
    assert.deepEqual(got(), expected, way)
    assert.deepEqual(wrong, [], way)
  }
  await until(() => subscribers(here, 7), all.length)
  console.log(`# ${all.length} held on for ${Math.round(performance.now() - begun)} ms`)
}
