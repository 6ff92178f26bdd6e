// A popover stands at the end of the page: who opens it by the keyboard is taken into it, and back to its button.
(() => {
  if (window.workbenchKeyboard) return
  window.workbenchKeyboard = true
  const STOPS = 'input, button, textarea, [tabindex="0"]'
  const stopsOf = body =>
    [...body.querySelectorAll(STOPS)].filter(each => each.tabIndex >= 0 && !each.disabled && each.offsetParent)
  let opener = null
  document.addEventListener('keydown', event => {
    const button = event.target.closest('[data-testid="stPopoverButton"]')
    if (button && (event.key === 'Enter' || event.key === ' ')) opener = button
    const body = event.target.closest('[data-testid="stPopoverBody"]')
    if (!body || !opener) return
    const stops = stopsOf(body)
    const leaves = event.key === 'Tab' && event.target === stops[event.shiftKey ? 0 : stops.length - 1]
    if (leaves) {
      event.preventDefault()
      opener.click()
      opener.focus()
    }
    if (event.key === 'Escape') setTimeout(() => {
      if (!body.isConnected && document.activeElement === document.body) opener?.focus()
    }, 100)
  }, true)
  document.addEventListener('pointerdown', () => { opener = null }, true)
  new MutationObserver(() => {
    const body = document.querySelector('[data-testid="stPopoverBody"]')
    if (!body || !opener || body.dataset.entered) return
    stopsOf(body)[0]?.focus()
    if (body.contains(document.activeElement)) body.dataset.entered = 'yes'
  }).observe(document.body, {childList: true, subtree: true, attributeFilter: ['tabindex']})
})()
