// Comet, as textbook/comet.html, but it keeps what it got.

var got = []

function handleMessages(messages) {
  messages.forEach(function (message) { got.push(message) })
}

function getComet() {
  $.ajax({ type: 'GET', url: '/get_messages/', data: { channel_id: 5 } })
    .success(function (resp) {
      handleMessages(resp.messages)
      getComet()
    })
    .error(function () {
      setTimeout(getComet, 10000)
    })
}

getComet()
