"""The words of the buttons, boxes and signposts that news pages put around a story, in the languages met so far.

One phrase is one whole line of a page; case, punctuation and spacing do not count.
"""

from typing import Final

from services.ingest.cleaning import comparable


def _phrases(text: str) -> frozenset[str]:
    return frozenset(comparable(phrase) for phrase in text.split("|"))


INTERRUPTIONS: Final = _phrases(
    """
    advertisement | advertisements | story continues below advertisement | story continues below |
    article continues below | विज्ञापन | إعلان | إعلانات | 广告 | anzeige | werbung | publicité | publicidad
    """
)
"""Stand in the middle of a story's text, which goes on behind them."""

BUTTONS: Final = _phrases(
    """
    sponsored | sponsored content | promoted | share | share this |
    share this article | share article | shares | views | likes | print | email | e-mail | copy link | tweet |
    retweet | facebook | twitter | whatsapp | telegram | linkedin | pinterest | share on facebook |
    share on twitter | share on x | share on whatsapp | follow us | follow us on | save | save for later |
    listen | no result | view all result | view all results | search | menu | open menu | close menu | close |
    skip to content | skip to main content | login | log in | sign in | sign up | register | subscribe |
    subscribe now | donate | support us | home | contact us | contact | careers | advertise | advertise with us |
    back to top | loading | read more | read also | continue reading | more | show more |
    subscribe to our newsletter | sign up for our newsletter | newsletter | photo gallery | play video |
    watch video | watch live | tags | topics |
    शेयर करें | साझा करें | और पढ़ें | होम | लॉग इन | खोजें | सदस्यता लें |
    شارك | مشاركة | شارك المقال | اقرأ أيضا | اقرأ المزيد | الرئيسية | بحث | تسجيل الدخول |
    اشترك | طباعة | القائمة | 分享 | 分享到 | 阅读更多 | 首页 | 登录 | 注册 | 搜索 | 菜单 | 订阅 | 打印 |
    收藏 | 微信 | 微博 | teilen | drucken | anmelden | partager | imprimer |
    compartir | imprimir
    """
)
"""May stand anywhere, inside a story's text as well."""

SIGNPOSTS: Final = _phrases(
    """
    comments | comment | leave a reply | leave a comment | leave a reply cancel reply | post a comment |
    add a comment | join the conversation | join the discussion | reader comments | related | related posts |
    related articles | related stories | related news | related topics | recommended | recommended for you |
    you may also like | you might also like | more stories | more news | more from this section | most read |
    most popular | trending | trending now | latest news | latest | latest stories | latest articles |
    recent posts | popular posts | top stories | editors picks | previous post | next post | previous article |
    next article | previous | next | read next | up next | about us | about the author | about the authors |
    about | category | categories | company info | newsletter | welcome back | all rights reserved |
    privacy policy | terms of use | टिप्पणियाँ | टिप्पणी करें | संबंधित खबरें | संबंधित ख़बरें | ताज़ा खबरें |
    हमारे बारे में | التعليقات | تعليقات | أضف تعليقا | مقالات ذات صلة | أخبار ذات صلة | الأكثر قراءة |
    آخر الأخبار | من نحن | 评论 | 网友评论 | 发表评论 | 相关新闻 | 相关文章 | 热门新闻 | 最新新闻 | 推荐阅读 |
    关于我们 | kommentare | mehr zum thema | commentaires | à lire aussi | comentarios | noticias relacionadas
    """
)
"""What follows one of these belongs to the site or its readers: no story runs across it."""
