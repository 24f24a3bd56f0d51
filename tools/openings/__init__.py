"""The picture that opens each chapter: `chapter_NN.draw()` makes it, `page` is what all share.

A picture carries one idea, which its headline says. It is drawn with the library, from the data
that the chapter works on, in a second or less; nothing is trained for it. Each module keeps its
`ALT` too, the text for readers who do not see the picture.
"""
