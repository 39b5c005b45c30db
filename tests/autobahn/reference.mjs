// An echo server to try the suite itself on, `ws` from npm: node reference.mjs KIND
// It is sound, or has the fault that KIND names: payload, utf8, deflate.

import { WebSocketServer } from '../clients/node_modules/ws/wrapper.mjs'

const LARGEST = 32 << 20
const kind = process.argv[2]

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  maxPayload: LARGEST,
  maxFragments: 0,
  perMessageDeflate: kind !== 'deflate' && { threshold: 0 },
  skipUTF8Validation: kind === 'utf8'
})

server.on('listening', () => console.log(`http://127.0.0.1:${server.address().port}`))
server.on('connection', (socket) => {
  socket.on('error', () => {})
  socket.on('message', (data, binary) => {
    socket.send(kind === 'payload' ? data.subarray(1) : data, { binary })
  })
})
