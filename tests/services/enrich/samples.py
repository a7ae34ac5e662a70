"""Copy for the enrichment tests, invented for Slugline: one story about fighting at a border in each language."""

from typing import Any

ENGLISH = """KABUL, Afghanistan, July 6 (Agency) - Rebel fighters overran two army posts near the border with \
Tajikistan overnight, and government troops answered with artillery, the defence ministry said on Tuesday.

Hundreds of soldiers crossed the river into Tajikistan, where reservists were put on alert. The militia said its \
offensive would go on until the military left the valley. Aid workers spoke of shelling near the town.

Peace talks between the rebels and the government have stopped. Russia called for a ceasefire."""

FRENCH = """KABOUL, 6 juillet (Agence) — Des combattants rebelles ont pris deux postes de l’armée près de la frontière \
avec le Tadjikistan, et des centaines de soldats ont fui les bombardements pendant la nuit.

La Russie a demandé un cessez-le-feu, tandis que la milice poursuit son offensive militaire contre l’armée régulière."""

GERMAN = """KABUL, 6. Juli (Agentur) – Bewaffnete Rebellen haben in der Nacht zwei Posten der Armee an der Grenze zu \
Tadschikistan eingenommen, Hunderte Soldaten flohen nach schweren Angriffen über den Fluss.

Russland verlangte eine Waffenruhe. Die Truppen der Regierung setzten Raketen ein, die Miliz ihre Offensive fort."""

SPANISH = """KABUL, 6 jul (Agencia).- Los rebeldes tomaron anoche dos puestos del ejército cerca de la frontera con \
Tayikistán, y cientos de soldados huyeron de los combates, informó el ministerio de Defensa.

Rusia pidió un alto el fuego mientras la milicia continúa su ofensiva militar contra las tropas del gobierno."""

RUSSIAN = """КАБУЛ, 6 июля (Агентство) — Боевики ночью захватили два поста армии у границы с Таджикистаном, сотни \
солдат правительственных войск перешли реку, сообщили военные во вторник.

В России призвали к перемирию. Обстрелы и наступление продолжаются, заявили в Москве."""

ARABIC = """كابل (وكالة) - سيطر مسلحون على مركزين للجيش قرب الحدود مع طاجيكستان خلال الليل، وعبر مئات الجنود النهر \
هربا من القصف، وقالت وزارة الدفاع إن معارك عنيفة ما زالت مستمرة في المنطقة.

ودعت روسيا إلى هدنة فورية بين القوات الحكومية والمسلحين."""

CHINESE = """喀布尔7月6日（通讯社）— 武装人员夜间占领了靠近塔吉克斯坦边界的两个军营，数百名士兵渡河撤离，\
阿富汗国防部星期二表示，政府军正在使用火炮还击。俄罗斯呼吁双方立即停火并恢复谈判。"""

HINDI = """विद्रोहियों ने रात में ताजिकिस्तान की सीमा के पास सेना की दो चौकियों पर कब्जा कर लिया और सैकड़ों सैनिक नदी पार कर गए। \
अफगानिस्तान के रक्षा मंत्रालय ने मंगलवार को यह जानकारी दी। रूस ने युद्धविराम की अपील की है।"""

IN_LANGUAGES = {
    "en": ENGLISH,
    "fr": FRENCH,
    "de": GERMAN,
    "es": SPANISH,
    "ru": RUSSIAN,
    "ar": ARABIC,
    "zh": CHINESE,
    "hi": HINDI,
}


def filed(text: str = ENGLISH, *, content_type: str = "text/plain", **fields: Any) -> dict[str, Any]:
    """Build a small story as ingest hands it over, with one body."""
    return {
        "uri": "urn:example:desk:1",
        "type": "text",
        "version": "1",
        "headlines": [{"value": "Fighters overrun two posts at the border"}],
        "bodies": [{"contentType": content_type, "value": text}],
        **fields,
    }


def body_of(story: dict[str, Any], content_type: str) -> str:
    """Give the body of a type; fails where there is none or more than one."""
    (value,) = (str(body["value"]) for body in story["bodies"] if body.get("contentType") == content_type)
    return value
