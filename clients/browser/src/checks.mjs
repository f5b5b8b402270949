// What somebody would complain about on any page.

/** Notes what the browser itself complains of: a violated policy, a file that is not there, an error. */
export function watch(page, complain) {
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complain(`the browser says: ${message.text()}`);
  });
  page.on('pageerror', (error) => complain(`a script failed: ${error.message}`));
  page.on('requestfailed', (request) => complain(`${request.url()} was not loaded: ${request.failure()?.errorText}`));
  page.on('response', (response) => {
    if (response.status() >= 500) complain(`${response.url()} answered ${response.status()}`);
  });
  page.on('dialog', (dialog) => {
    complain(`a dialog was opened: ${dialog.message()}`);
    return dialog.dismiss();
  });
}

/** The page is as wide as the window, what stands in it can be read, and what can be pressed is large enough to be met. */
export async function checkLayout(page, complain) {
  const found = await page.evaluate(() => {
    const wrong = [];
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) {
      const wide = [...document.querySelectorAll('body *')].filter(
        (element) => element.getBoundingClientRect().right > clientWidth + 1 && !element.closest('.wide, nav, svg, .skip'),
      );
      const names = wide.slice(0, 3).map((element) => `${element.tagName.toLowerCase()}.${element.className}`);
      wrong.push(`it is ${scrollWidth} px wide in a window of ${clientWidth} px: ${names.join(', ')}`);
    }
    if (document.querySelectorAll('h1').length !== 1) wrong.push('it has not one h1');
    if (!document.documentElement.lang || !document.title) wrong.push('it has no language or no title');
    for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
      if (field.labels.length === 0) wrong.push(`the field ${field.name} has no label`);
    }
    const luminance = (color) => {
      const parts = color.match(/[\d.]+/g).map(Number);
      const linear = parts.slice(0, 3).map((part) => (part /= 255) <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
      return { light: 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2], solid: parts.length < 4 || parts[3] === 1 };
    };
    const dim = new Set();
    for (const element of document.querySelectorAll('body *')) {
      const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
      if (!own || element.closest('svg, .skip') || !element.checkVisibility()) continue;
      let behind = element;
      while (behind && !luminance(getComputedStyle(behind).backgroundColor).solid) behind = behind.parentElement;
      const back = luminance(behind ? getComputedStyle(behind).backgroundColor : 'rgb(255,255,255)').light;
      const text = luminance(getComputedStyle(element).color).light;
      const contrast = (Math.max(back, text) + 0.05) / (Math.min(back, text) + 0.05);
      // Large text may be dimmer (WCAG 2.2, 1.4.3).
      const least = parseFloat(getComputedStyle(element).fontSize) >= 24 ? 3 : 4.5;
      if (contrast < least) dim.add(`${element.tagName.toLowerCase()}.${element.className} has a contrast of ${contrast.toFixed(2)}`);
    }
    wrong.push(...dim);
    return wrong;
  });
  found.forEach(complain);
}

/** The tabulator reaches everything that can be pressed or filled in, in the order in which it stands there, and shows where it is. */
export async function checkKeyboard(page, complain) {
  const expected = await page.evaluate(() => {
    window.focus();
    document.activeElement?.blur();
    const all = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')];
    const shown = all.filter((element) => element.checkVisibility());
    shown.forEach((element, index) => element.setAttribute('data-order', String(index)));
    return shown.length;
  });
  // From the beginning, whatever had the focus.
  await page.evaluate(() => getSelection().setPosition(document.body, 0));
  let last = -1;
  for (let step = 0; step < Math.min(expected, 80); step += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      const style = element && getComputedStyle(element);
      return {
        order: Number(element?.getAttribute('data-order') ?? -1),
        name: element ? `${element.tagName.toLowerCase()} ${element.textContent.trim().slice(0, 30)}` : 'nothing',
        shown: style ? parseFloat(style.outlineWidth) > 0 && style.outlineStyle !== 'none' : false,
        kind: element?.getAttribute('type'),
      };
    });
    if (at.order < 0) {
      if (step === 0) continue;
      break;
    }
    // A date has several parts, and of radio buttons one is reached.
    if (at.order < last) complain(`the tabulator goes back from ${last} to ${at.order} (${at.name})`);
    if (!at.shown) complain(`the focus cannot be seen on ${at.name}`);
    last = at.order;
  }
  if (last + 1 < Math.min(expected, 60)) complain(`the tabulator reaches ${last + 1} of ${expected} places`);
}
