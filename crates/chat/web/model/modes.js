// Changes of a room's modes, read by what the server says of its modes, and said in words.
// It must never guess what a letter means that it does not know: it says the letter.

const ROLES = { q: 'an owner', a: 'an administrator', o: 'an operator', h: 'a half operator', v: 'a speaker' };

const FLAGS = {
  i: ['made the room open to invited people only', 'opened the room to everybody'],
  m: ['let only operators and speakers talk', 'let everybody talk'],
  s: ['hid the room from lists', 'showed the room in lists'],
  t: ['let only operators set the topic', 'let everybody set the topic'],
  k: ['set a key for the room', 'took the key away'],
};

/** The changes of `MODE`'s parameters: `{ letter, isOn, argument, role }`, `role` a sign such as `@`. */
export function modeChanges(params, isupport) {
  const [, letters = 'qov', signs = '~@+'] = /^\((.*)\)(.*)$/.exec(isupport.get('PREFIX') ?? '') ?? [];
  const [lists = 'beI', always = 'k', onSet = 'l'] = (isupport.get('CHANMODES') ?? 'beI,k,l').split(',');
  const changes = [];
  const rest = params.slice(1);
  let isOn = true;
  for (const letter of params[0] ?? '') {
    if (letter === '+' || letter === '-') {
      isOn = letter === '+';
      continue;
    }
    const role = signs[letters.indexOf(letter)] ?? null;
    const takes = role || lists.includes(letter) || always.includes(letter) || (isOn && onSet.includes(letter));
    changes.push({ letter, isOn, role, argument: takes ? (rest.shift() ?? '') : '' });
  }
  return changes;
}

/** The same in words, a sentence for each. */
export function describeModes(changes, by) {
  return changes.map(({ letter, isOn, role, argument }) => {
    const what = ROLES[letter];
    if (role && what) return isOn ? `${argument} is ${what} now` : `${argument} is not ${what} any more`;
    if (letter === 'b') return `${by} ${isOn ? 'banned' : 'let back in'} ${argument}`;
    const flag = FLAGS[letter];
    if (flag) return `${by} ${flag[isOn ? 0 : 1]}`;
    return `${by} set mode ${isOn ? '+' : '-'}${letter}${argument ? ` ${argument}` : ''}`;
  });
}
