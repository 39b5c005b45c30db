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
// Those that hold while the application is gone.
const HELD = 500

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

/** Events of a room with the cookies of a session, as they come. */
function follow(here, room, cookie) {
  let text = ''
  const events = () => Array.from(text.matchAll(/^data: (.*)\n\n/gm), (found) => found[1])
  return new Promise((resolve, reject) => {
    const headers = { Cookie: cookie, Accept: 'text/event-stream' }
    const request = http.get(`${here.origin}/rooms/${room}/listen/`, { headers, agent: false }, (response) => {
      assert.equal(response.statusCode, 200)
      response.setEncoding('utf8').on('data', (more) => { text += more })
      response.on('end', () => { text += 'data: closed\n\n' })
      resolve({ events, stop: () => request.destroy() })
    })
    request.on('error', reject)
  })
}

export async function django_may_be_killed_and_restarted_while_500_hold(t) {
  const here = await site(t)
  const tab = await here.context.newPage()
  await tab.goto(`${here.origin}/enter/ann/`)
  const cookie = (await here.context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ')
  const all = []
  while (all.length < HELD) {
    all.push(...await Promise.all(numbers(20).map(() => follow(here, 7, cookie))))
  }
  t.after(() => all.forEach(({ stop }) => stop()))
  await until(() => subscribers(here, 7), HELD)
  await here.kill()
  assert.equal((await tab.goto(here.origin)).status(), 502)
  await here.gateway.publish('7', '"while it is gone"', { 'Content-Type': 'application/json' })
  await here.restart()
  await tab.goto(here.origin)
  assert.equal(await tab.textContent('#who'), 'ann')
  assert.equal(await tab.evaluate(say, { room: 7, n: 1 }), 201)
  const expected = ['"while it is gone"', '{"n":1}']
  for (const { events } of all) await until(() => events().length, expected.length)
  for (const { events } of all) assert.deepEqual(events(), expected)
  assert.equal(await subscribers(here, 7), HELD)
}
