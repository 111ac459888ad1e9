"""The texts on which nearsort must agree with sentence-transformers.

All of it is our own writing. `parity_texts()` returns (id, text) pairs in a
fixed order; long texts are composed out of SENTENCES, so that the whole set is
the same on every machine. `make_expected.py` writes them to
`parity/texts.jsonl`.
"""

import random

SENTENCES = [
    "The ferry leaves the northern pier at seven and comes back after dark.",
    "A good index makes a large table feel small.",
    "My grandmother kept bees behind the old railway station.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "The committee rejected the budget because two columns did not add up.",
    "Why does bread rise faster on a warm windowsill?",
    "Copper conducts heat nearly twice as well as aluminium.",
    "He tuned the piano by ear and then checked it against a fork.",
    "Interest rates rose by a quarter of a point in March.",
    "The compiler moved the bounds check out of the loop.",
    "Nobody had told the goalkeeper that the match was already over.",
    "Rainfall in the valley has fallen by a third since 1961.",
    "Please return the borrowed ladder before the weekend!",
    "Vaccines teach the immune system to recognise a virus it has not met.",
    "The second chapter describes how the harbour silted up.",
    "A hash table trades memory for constant-time lookups.",
    "She painted the kitchen door green, then blue, then green again.",
    "The treaty was signed in a school gymnasium because the town hall had burned down.",
    "Octopuses can taste with their arms.",
    "Is a tomato a fruit, a vegetable, or a matter for the courts?",
    "The train to Leipzig was delayed by forty minutes; the one to Halle was cancelled.",
    "Gravity bends the path of light around a massive galaxy.",
    "Add a pinch of salt to the melted chocolate.",
    "The landlord may not keep the deposit for ordinary wear and tear.",
    "An earthquake of magnitude 6.2 shook the coast shortly before noon.",
    "Our warehouse ships about 1,400 parcels on an ordinary day.",
    "The chess club meets in a café whose owner never plays.",
    "The violin maker waits five years until the spruce is dry.",
    "Two threads read the same counter without a lock and lost an update.",
    "Sea turtles return to the beach on which they hatched.",
    "The museum is closed on Mondays, except when Monday is a holiday.",
    "Type 2 diabetes often begins without any symptoms.",
    "He explained the offside rule with three salt shakers and a spoon.",
    "The river freezes in December and breaks up with a roar in April.",
    "A mortgage with a variable rate can become expensive quickly.",
    "Linear probing suffers when the load factor comes close to one.",
    "The novelist wrote standing up, on the backs of old invoices.",
    "Mars has two small moons that look like potatoes.",
    "Remove the four screws, lift the cover, and disconnect the battery.",
    "The strike ended after the company offered a shorter week.",
    "Saffron is picked by hand, three threads to a flower.",
    "Bats find their way by listening to their own echoes.",
    "The defendant's lawyer asked for the recording to be played again.",
    "Glaciers carve valleys in the shape of a U.",
    "We measured the voltage twice and got 3.3 V both times.",
    "A child asked whether the moon follows everyone at once.",
    "The wheat harvest failed, and the price of flour doubled within a month.",
    "Use a prepared statement instead of pasting the name into the query.",
    "The choir rehearses in a former swimming pool; the echo is remarkable.",
    "Antibiotics do nothing against the common cold.",
    "Their satellite weighs less than a bag of sugar.",
    "A bicycle chain lasts about three thousand kilometres if it is kept clean.",
    "The map was wrong: there had never been a bridge here.",
    "Inflation eats savings quietly.",
    "Wolves were seen near the motorway for the first time in a century.",
    "The recipe says twenty minutes, but my oven disagrees.",
    "Every prime number greater than three is one more or one less than a multiple of six.",
    "The lighthouse keeper noted the weather four times a day for thirty-one years.",
    "Please do not feed the ducks with bread.",
    "The patient was discharged with a plaster cast and a list of exercises.",
    "Fog delayed all departures from the southern runway.",
    "A deadlock needs at least two locks and a little bad luck.",
    "The tailor chalked the cloth before anybody had agreed on a price.",
]

WORDS = [
    "harbour", "quantum", "violin", "tax", "photosynthesis", "the", "Reykjavik",
    "unbelievably", "zebra", "OK", "recursion", "antidisestablishmentarianism",
    "kubernetes", "éclair", "naïve", "42",
]

SHORT = [
    ("empty", ""),
    ("one-space", " "),
    ("spaces", "     "),
    ("char-a", "a"),
    ("char-Z", "Z"),
    ("char-7", "7"),
    ("char-full-stop", "."),
    ("char-e-acute", "é"),
    ("char-sharp-s", "ß"),
    ("char-cjk", "水"),
    ("char-emoji", "🙂"),
    ("char-sharp-sign", "#"),
    ("punctuation-ascii", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    ("punctuation-dots", "... --- ..."),
    ("punctuation-question", "?!?!?!"),
    ("punctuation-typographic", "“Quoted” — ‘single’ … «guillemets» ‹small› „low“ · • †"),
    ("punctuation-fullwidth", "。，、！？：；「」『』（）"),
    ("digits", "0123456789"),
    ("digits-grouped", "1,234,567.89"),
    ("digits-long", "31415926535897932384626433832795028841971693993751"),
    ("digits-phone", "+49 (0)341 555-0199 ext. 12"),
    ("digits-date", "2024-02-29T23:59:60Z"),
    ("digits-fractions", "½ ¼ ¾ ⅓ 10⁻³ x² H₂O №5 ①②③ Ⅳ"),
    ("digits-arabic-indic", "٠١٢٣٤٥٦٧٨٩ and ०१२३४५६७८९"),
    ("money", "$19.99, €1.299,00, £3, ¥500, ₹250, ₿0.004"),
    ("leading-trailing-space", "   padded on both sides   "),
    ("many-inner-spaces", "far     apart          words"),
    ("contractions", "I can't, you shouldn't've, it's John's, rock 'n' roll."),
    ("hyphens", "state-of-the-art, twenty-one, re-entry, e-mail, non-breaking\u2011hyphen"),
    ("underscores", "snake_case_name __dunder__ _private"),
    ("case-lower", "the quick red fox ran over the frozen lake"),
    ("case-upper", "THE QUICK RED FOX RAN OVER THE FROZEN LAKE"),
    ("case-mixed", "ThE qUiCk ReD fOx RaN oVeR tHe FrOzEn LaKe"),
    ("case-camel", "getUserNameByEmailAddress HTTPServerError parseJSONToXML"),
    ("special-tokens", "[CLS] [SEP] [PAD] [MASK]"),
    ("special-token-inline", "Put a [MASK] before the [SEP] and see [UNK] happen."),
    ("special-token-glued", "word[SEP]word [CLS]start end[PAD]"),
    ("special-token-lower", "[cls] [sep] [mask] [unk] [pad]"),
    ("special-token-other-families", "<s> </s> <pad> <unk> <mask> <|endoftext|> <|im_start|>"),
    ("hash-pieces", "##ing ##ed un##believ##able"),
    ("unused-vocabulary", "[unused0] [unused99]"),
]

SCRIPTS = [
    ("latin-french", "Où est passé le garçon à l'œil vif ? Il naît un été, ça et là."),
    ("latin-german", "Fünf größere Äpfel überqueren die Straße nach Österreich."),
    ("latin-spanish", "¿Dónde está el niño? ¡Mañana será otro día!"),
    ("latin-polish", "Śnieg leży na łące, a źrebię pije wodę z rzeki; późno już, chodźmy."),
    ("latin-czech", "Řidič přišel pozdě, ale děti už měly čaj s citrónem."),
    ("latin-turkish", "İstanbul'da ılık bir akşam, şık çığlıklar, ĞÜŞİÖÇ."),
    ("latin-vietnamese", "Tiếng Việt có nhiều dấu và đường phố đông người."),
    ("latin-icelandic", "Þetta er ágætt, sagði Ægir við Ólöfu."),
    ("latin-hungarian", "Az öreg hídőr késő este fűtötte be a kályhát."),
    ("latin-romanian", "Țara și însemnările fără diacritice."),
    ("latin-composed", "Caf\u00e9 r\u00e9sum\u00e9 \u00c5ngstr\u00f6m ma\u00f1ana"),
    ("latin-decomposed", "Cafe\u0301 re\u0301sume\u0301 A\u030angstro\u0308m man\u0303ana"),
    ("latin-stacked-marks", "a\u0301\u0302\u0303\u0304 z\u0351\u0352\u0357 o\u0328\u0304"),
    ("latin-ligatures", "ﬁne ﬂight eﬀort ﬃx ǆ ĳ"),
    ("latin-fullwidth", "Ｆｕｌｌ ｗｉｄｔｈ ＡＢＣ １２３"),
    ("latin-mathematical", "𝐁𝐨𝐥𝐝 𝑖𝑡𝑎𝑙𝑖𝑐 𝔉𝔯𝔞𝔨𝔱𝔲𝔯 𝟘𝟙𝟚"),
    ("greek", "Το πλοίο φεύγει το πρωί από τον Πειραιά."),
    ("greek-polytonic", "ἡ θάλασσα ἦν ἥσυχος καὶ ὁ ἄνεμος ἔπνει ᾠδῇ."),
    ("greek-final-sigma", "ΟΔΥΣΣΕΥΣ Οδυσσεύς"),
    ("cyrillic-russian", "Поезд опоздал на сорок минут, ёжик ждал на перроне."),
    ("cyrillic-ukrainian", "Ґанок і їжак біля річки взимку."),
    ("cyrillic-serbian", "Љубичица и ђак иду у школу."),
    ("cyrillic-upper", "МОСКВА И ЙОШКАР-ОЛА"),
    ("armenian", "Այսօր եղանակը շատ լավ է։"),
    ("georgian", "დღეს კარგი ამინდია."),
    ("arabic", "القطار يصل إلى المحطة في الساعة السابعة مساءً."),
    ("arabic-vowels", "كَتَبَ الطَّالِبُ رِسَالَةً"),
    ("persian", "قطار می\u200cرسد و ما می\u200cرویم."),
    ("hebrew", "הרכבת מגיעה לתחנה בשבע בערב."),
    ("hebrew-points", "הַיֶּלֶד קָרָא סֵפֶר בַּגִּנָּה"),
    ("devanagari", "रेलगाड़ी शाम सात बजे स्टेशन पहुँचती है।"),
    ("bengali", "ট্রেনটি সন্ধ্যা সাতটায় পৌঁছায়।"),
    ("tamil", "ரயில் மாலை ஏழு மணிக்கு வருகிறது."),
    ("telugu", "రైలు సాయంత్రం ఏడు గంటలకు వస్తుంది."),
    ("thai", "รถไฟถึงสถานีตอนเจ็ดโมงเย็นทุกวัน"),
    ("lao", "ລົດໄຟມາຮອດສະຖານີ"),
    ("khmer", "រថភ្លើងមកដល់ស្ថានីយ៍"),
    ("burmese", "ရထားက ညနေခုနစ်နာရီမှာ ရောက်တယ်။"),
    ("tibetan", "མེ་འཁོར་དགོང་དྲོར་སླེབས།"),
    ("amharic", "ባቡሩ ምሽት ላይ ይደርሳል።"),
    ("chinese-simplified", "火车晚上七点到站，请在三号站台等候。"),
    ("chinese-traditional", "火車晚上七點到站，請在三號月台等候。"),
    ("chinese-long", "城市图书馆每天早上九点开门，学生们在那里读书、写作业，也借很多小说。" * 4),
    ("chinese-rare", "𠀀𠜎𡃁 㐀㐁 鿿"),
    ("chinese-english-mix", "我用Rust写了一个reranker，速度很快。"),
    ("japanese", "電車は夜七時に駅へ着きます。ホームでお待ちください。"),
    ("japanese-kana", "ひらがな カタカナ ﾊﾝｶｸ ぱぴぷぺぽ ガギグゲゴ"),
    ("japanese-decomposed", "か\u3099き\u3099は\u309a"),
    ("korean", "기차는 저녁 일곱 시에 역에 도착합니다."),
    ("korean-decomposed", "\u1112\u1161\u11ab\u1100\u1173\u11af \u1112\u1161\u11ab\u1100\u116e\u11a8"),
    ("mixed-scripts", "London Лондон Λονδίνο لندن לונדון लंदन ลอนดอน 伦敦 ロンドン 런던"),
    ("cherokee", "ᏣᎳᎩ ꭳꮝꮣ"),
    ("runes", "ᚠᚢᚦᚨᚱᚲ"),
    ("gothic-plane-one", "𐌰𐌱𐌲 𐍈"),
    ("ipa", "/ˈnɪəˌsɔːt/ [ðə ˈkwɪk]"),
]

SYMBOLS = [
    ("emoji-faces", "😀😃😄😁 so happy 😭"),
    ("emoji-in-prose", "The parcel arrived 📦 and it was broken 😡"),
    ("emoji-zwj-family", "👨\u200d👩\u200d👧\u200d👦 and 👩\u200d🚀 and 🏳\ufe0f\u200d🌈"),
    ("emoji-skin", "👍👍🏻👍🏿 🤝🏽"),
    ("emoji-flags", "🇫🇷 🇩🇪 🇯🇵 🇧🇷 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"),
    ("emoji-keycaps", "1\ufe0f\u20e3 2\ufe0f\u20e3 #\ufe0f\u20e3"),
    ("emoji-variation", "❤ ❤\ufe0f ☎\ufe0e ☎\ufe0f"),
    ("emoji-only-long", "🚀🌍🎉" * 40),
    ("kaomoji", "(╯°□°）╯︵ ┻━┻ ¯\\_(ツ)_/¯"),
    ("emoticons", ":-) ;-P :'( <3 xD"),
    ("arrows", "→ ← ↔ ⇒ ⟶ ↯"),
    ("mathematics", "∀ε>0 ∃δ>0: |x−a|<δ ⇒ |f(x)−L|<ε, ∑ᵢ xᵢ² ≤ ∫₀¹ √t dt, π≈3.14159"),
    ("box-drawing", "┌──┬──┐\n│a │b │\n└──┴──┘"),
    ("braille", "⠓⠑⠇⠇⠕"),
    ("music", "𝄞 ♩ ♪ ♭ ♯"),
    ("control-tab-newline", "first\tsecond\nthird\r\nfourth\rfifth"),
    ("control-only-newlines", "\n\n\n"),
    ("control-nul", "before\x00after"),
    ("control-only-nul", "\x00"),
    ("control-bell", "ding\x07dong \x1b[31mred\x1b[0m \x08 \x7f"),
    ("control-c1", "next\x85line \x9b csi"),
    ("control-form-feed", "page one\x0cpage two\x0bvertical"),
    ("zero-width-space", "zero\u200bwidth\u200bspace"),
    ("zero-width-joiners", "a\u200cb\u200dc\u2060d"),
    ("bom-first", "\ufeffThe file begins with a mark."),
    ("bom-inside", "half\ufeffway"),
    ("soft-hyphen", "Donau\u00addampf\u00adschiff"),
    ("bidi-marks", "\u200fright\u200e left \u202eoverride\u202c \u2067isolate\u2069"),
    ("no-break-spaces", "10\u00a0km\u202fper\u2009hour\u3000wide\u2003em"),
    ("line-separators", "one\u2028two\u2029three"),
    ("private-use", "apple \uf8ff logo \ue000 and \U000f0000"),
    ("unassigned", "not \u0378 a \u0379 character \U000e0fff"),
    ("noncharacter", "end \ufffe of \uffff plane \U0010ffff"),
    ("replacement", "broken \ufffd\ufffd bytes"),
    ("interlinear", "a\ufff9b\ufffac\ufffb"),
    ("ogham-space", "a\u1680b"),
    ("mongolian-separator", "a\u180eb"),
    ("combining-first", "\u0301 starts with a mark"),
    ("combining-only", "\u0301\u0302\u0303"),
    ("tatweel", "مـــرحـــبا"),
    ("kelvin-angstrom", "\u212a \u212b \u2126 k å ω"),
    ("dotless-i", "I ı İ i i\u0307"),
    ("long-s", "Waſſer ẞ ß SS"),
]

CODE = [
    ("code-rust", "fn dot(a: &[f32], b: &[f32]) -> f32 {\n    a.iter().zip(b).map(|(x, y)| x * y).sum()\n}"),
    ("code-python", "def mean(xs):\n    \"\"\"Average of xs.\"\"\"\n    return sum(xs) / len(xs) if xs else 0.0\n"),
    ("code-c", "#include <stdio.h>\nint main(void) { printf(\"%d\\n\", 1 << 4); return 0; }"),
    ("code-cpp", "template <class T> auto twice(T&& t) -> decltype(t + t) { return t + t; }"),
    ("code-java", "public static void main(String[] args) { System.out.println(args.length > 0 ? args[0] : null); }"),
    ("code-javascript", "const f = async ({ id, ...rest }) => (await fetch(`/api/${id}?q=${rest.q ?? ''}`)).json();"),
    ("code-go", "for i, v := range values { if v != nil { out <- fmt.Sprintf(\"%d:%v\", i, v) } }"),
    ("code-sql", "SELECT u.name, COUNT(*) FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.name HAVING COUNT(*) > 3;"),
    ("code-shell", "find . -name '*.log' -mtime +7 -print0 | xargs -0 -r gzip -9 && echo \"done: $?\""),
    ("code-haskell", "steps n = takeWhile (/= 1) (iterate (\\k -> if even k then k `div` 2 else 3 * k + 1) n)"),
    ("code-assembly", "vmovups ymm0, [rdi + rcx*4]\nvfmadd231ps ymm1, ymm0, [rsi + rcx*4]\njnz .loop"),
    ("code-regex", "^(?:[a-z0-9_-]{2,}|\\d+)\\.(?<ext>rs|py)$"),
    ("code-html", "<a href=\"/path?a=1&amp;b=2\" class='btn btn-lg'>Click &rarr;</a>"),
    ("code-css", ".card > h2::before { content: \"\\201C\"; margin: 0 auto !important; }"),
    ("code-latex", "\\frac{\\partial L}{\\partial w_{ij}} = \\sum_k \\delta_k x_j"),
    ("code-diff", "@@ -1,3 +1,3 @@\n-let x = 1;\n+let mut x = 2;\n"),
    ("code-traceback", "thread 'main' panicked at src/lib.rs:42:9:\nindex out of bounds: the len is 3 but the index is 7"),
    ("code-brainf", "++++[>++++<-]>[<++>-]<."),
    ("json-object", "{\"id\": 17, \"tags\": [\"red\", \"blue\"], \"nested\": {\"ok\": true, \"none\": null, \"pi\": 3.14e0}}"),
    ("json-escapes", "{\"s\": \"tab\\t quote\\\" \\u00e9 \\\\\"}"),
    ("yaml", "server:\n  host: example.org\n  ports: [80, 443]\n  tls: yes\n"),
    ("toml", "[package]\nname = \"demo\"\nedition = \"2024\"\n"),
    ("csv", "name,age,city\n\"Doe, Jane\",41,Turku\nBo,,\n"),
    ("markdown", "# Title\n\n- item *one*\n- item `two`\n\n> quote [link](https://example.org)\n"),
    ("url", "https://user:pw@sub.example.co.uk:8443/a/b.html?x=1&y=%20z#frag"),
    ("url-many", "See http://example.com, ftp://files.example.net/pub and www.example.org/index.php?id=3."),
    ("email", "Write to first.last+tag@mail.example.com or <abuse@example.net>."),
    ("path-windows", "C:\\Users\\Ana\\Documents\\plan (final) v2.docx"),
    ("path-unix", "/usr/local/lib/python3.11/site-packages/__init__.py"),
    ("ip-and-mac", "192.168.0.1/24 fe80::1ff:fe23:4567:890a 00:1A:2B:3C:4D:5E"),
    ("uuid", "7c1d09b2-4f5e-4a83-9e60-0b5c2a9d71f4"),
    ("hash-hex", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
    ("base64", "TmVhcnNvcnQgc29ydHMgYnkgbmVhcm5lc3MuIEl0IGRvZXMgbm90aGluZyBlbHNlLg=="),
    ("chemistry", "C6H12O6 + 6 O2 -> 6 CO2 + 6 H2O; 2-methyl-1,3-butadiene; (R)-(+)-limonene"),
    ("dna", "ATGGCCATTGTAATGGGCCGCTGAAAGGGTGCCCGATAG"),
    ("chess", "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 5. O-O"),
    ("hashtags", "#rustlang @someone RT: must read!! #100DaysOfCode"),
]

REPEATS = [
    ("repeat-word-3", "no no no"),
    ("repeat-word-100", "buffalo " * 100),
    ("repeat-word-400", "again " * 400),
    ("repeat-char-99", "x" * 99),
    ("repeat-char-100", "x" * 100),
    ("repeat-char-101", "x" * 101),
    ("repeat-char-5000", "a" * 5000),
    ("repeat-punctuation-300", "!" * 300),
    ("repeat-cjk-300", "山" * 300),
    ("repeat-newline-words", "word\n" * 50),
    ("long-token-mixed", "Llanfair" * 60),
    ("long-token-99-then-word", "q" * 99 + " short"),
    ("long-token-then-word", "q" * 150 + " short"),
    ("long-url", "https://example.org/" + "segment/" * 60 + "?q=" + "z" * 90),
]

PAIRS = [
    ("order-dog-man", "The dog bit the man."),
    ("order-man-dog", "The man bit the dog."),
    ("order-flight-a", "A flight from Oslo to Rome"),
    ("order-flight-b", "A flight from Rome to Oslo"),
    ("negation-a", "The medicine is safe for children."),
    ("negation-b", "The medicine is not safe for children."),
    ("eiffel-query", "Where is the Eiffel Tower located?"),
    ("eiffel-berlin", "The Eiffel Tower is in Berlin."),
    ("eiffel-capital", "The capital of France is Paris."),
    ("eiffel-cuisine", "Paris is known for its cuisine and art."),
]


def words_of_prose(count, seed):
    """`count` words of prose: shuffled SENTENCES, repeated as needed, cut at a word."""
    rng = random.Random(seed)
    words = []
    while len(words) < count:
        order = SENTENCES[:]
        rng.shuffle(order)
        words += " ".join(order).split(" ")
    return " ".join(words[:count])


def text_of_tokens(tokens, count_tokens, seed):
    """Prose of exactly `tokens` token ids, special tokens included."""
    words = words_of_prose(tokens, seed).split(" ")
    while count_tokens(" ".join(words)) > tokens:
        words.pop()
    while count_tokens(" ".join(words)) < tokens:
        words.append("house")  # one token in the vocabulary of BERT
    text = " ".join(words)
    assert count_tokens(text) == tokens, tokens
    return text


def parity_texts(count_tokens):
    """All (id, text) pairs; `count_tokens` counts the ids of a text without truncation."""
    texts = SHORT + SCRIPTS + SYMBOLS + CODE + REPEATS + PAIRS
    texts += [(f"word-{i}", word) for i, word in enumerate(WORDS)]
    texts += [(f"sentence-{i}", text) for i, text in enumerate(SENTENCES)]
    for count in (2, 3, 5, 8, 13, 21, 34, 55, 90, 120, 150, 180, 210, 300, 500, 800, 1200, 2000):
        texts.append((f"words-{count}", words_of_prose(count, seed=count)))
    for tokens in (64, 126, 127, 128, 129, 130, 253, 254, 255, 256, 257, 258, 259, 512, 513):
        texts.append((f"tokens-{tokens}", text_of_tokens(tokens, count_tokens, seed=tokens)))
    paragraphs = [words_of_prose(60, seed=900 + i) for i in range(3)]
    texts.append(("paragraphs", "\n\n".join(paragraphs)))
    texts.append(("mixed-long", " ".join(text for _, text in SCRIPTS[:20] + CODE[:6])))
    texts.append(("scripts-long", " ".join(text for _, text in SCRIPTS[20:])))
    return texts
